import { createHmac } from 'node:crypto';
import { Secret } from '../../kernel/secret.js';

export const MIN_PASSWORD_CHARACTERS = 12;
/** For an administrator whose password is the only factor. */
export const MIN_ADMINISTRATOR_CHARACTERS = 15;
export const MAX_PASSWORD_CHARACTERS = 128;
/** NFKC makes few characters of many, but not of that many; nothing longer is normalised. */
const MAX_UNITS_READ = MAX_PASSWORD_CHARACTERS * 8;

/** No secret: it keeps these hashes apart from those of every other service, so that a list of theirs says nothing here. */
const DOMAIN = 'core-nest/password/v1';

/**
 * The password as it counts (Unicode NFKC): the same, however a keyboard composed it. Null for what no password can be:
 * longer than 128 characters, or with half of a surrogate pair.
 */
export function normalizedPassword(password: Secret): Secret | null {
  const text = password.reveal();
  if (text.length > MAX_UNITS_READ || !text.isWellFormed()) return null;
  const normalized = text.normalize('NFKC');
  return charactersOf(normalized) <= MAX_PASSWORD_CHARACTERS ? new Secret(normalized) : null;
}

/** Unicode code points. */
export function charactersOf(text: string): number {
  return [...text].length;
}

/**
 * What bcrypt is given: HMAC-SHA-384 (RFC 2104) of all bytes in 64 characters of base64, so that none of the password is
 * cut off at bcrypt's 72 bytes and NUL ends nothing.
 *
 * The key is no secret on purpose: see docs/decisions/0013-no-pepper.md.
 */
export function preHash(normalized: Secret): Secret {
  return new Secret(createHmac('sha384', DOMAIN).update(normalized.reveal()).digest('base64'));
}
