import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ValidateBy, type ValidationArguments } from 'class-validator';
import { InvalidRedisTargetError, parseRedisTarget, REDIS_MODES, type RedisMode } from './redis-target.js';

interface RedisSettings {
  readonly REDIS_MODE?: RedisMode;
  readonly REDIS_SENTINEL_MASTER?: string;
}

/** An address of Redis, together with what the other settings say of it (see `parseRedisTarget`). */
export const IsRedisTarget = () =>
  ValidateBy({
    name: 'isRedisTarget',
    validator: {
      validate: (_value, args) => problemOf(args) === null,
      defaultMessage: (args) => problemOf(args) ?? '',
    },
  });

/** A setting that says nothing without another one. */
export const NeedsSetting = (other: string) =>
  ValidateBy({
    name: 'needsSetting',
    validator: {
      validate: (_value, args) => ((args?.object ?? {}) as Record<string, unknown>)[other] !== undefined,
      defaultMessage: () => `needs ${other}`,
    },
  });

/** A readable PEM file that begins with a certificate. */
export const IsCertificateFile = () =>
  ValidateBy({
    name: 'isCertificateFile',
    validator: {
      validate: (value) => typeof value === 'string' && holdsCertificate(value),
      defaultMessage: () => 'must be a readable file with certificates in PEM',
    },
  });

function problemOf(args: ValidationArguments | undefined): string | null {
  const { REDIS_MODE, REDIS_SENTINEL_MASTER } = (args?.object ?? {}) as RedisSettings;
  const mode = REDIS_MODES.find((each) => each === REDIS_MODE);
  try {
    parseRedisTarget(String(args?.value), mode, REDIS_SENTINEL_MASTER);
    return null;
  } catch (error) {
    if (error instanceof InvalidRedisTargetError) return error.message;
    throw error;
  }
}

function holdsCertificate(file: string): boolean {
  try {
    new X509Certificate(readFileSync(file));
    return true;
  } catch {
    return false;
  }
}
