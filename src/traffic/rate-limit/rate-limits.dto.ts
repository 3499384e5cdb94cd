import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIn, IsInt, Max, Min, ValidateBy, ValidateIf, ValidateNested } from 'class-validator';
import {
  MAX_CONCURRENT,
  MAX_COST,
  MAX_QUOTA,
  MAX_REASON,
  MAX_WINDOW_SECONDS,
  MAX_WINDOWS,
  MODES,
  type Mode,
} from './limit-policy.js';

const CONTROL = /\p{Cc}/u;
const TIME = /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-5]):[0-5]\d)$/;
const ROUTE = /^[A-Z]{3,7} \/\S{0,500}$/;
const USER_ID = /^[A-Za-z0-9._@-]{1,128}$/;
export const MAX_EXPLAINED = 1_000_000;

const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

const IsWhole = (max: number) => (target: object, name: string) => {
  const options = { message: `must be a whole number from 1 to ${max}` };
  for (const check of [IsInt(options), Min(1, options), Max(max, options)]) check(target, name);
};

const Is = (name: string, message: string, validate: (value: unknown) => boolean) =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => message } });

/** One bucket of a limit. */
export class WindowDto {
  @ApiProperty({ type: 'integer', minimum: 1, maximum: MAX_QUOTA, example: 1000 })
  @IsWhole(MAX_QUOTA)
  quota!: number;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: MAX_WINDOW_SECONDS, example: 3600 })
  @IsWhole(MAX_WINDOW_SECONDS)
  window_seconds!: number;

  @ApiPropertyOptional({ enum: MODES, description: 'Without it, the mode of the whole limit.' })
  @MayBeAbsent()
  @IsIn(MODES, { message: `must be one of ${MODES.join(', ')}` })
  mode?: Mode;
}

/** Body of `PUT …/policies/…`: the whole limit of a class. */
export class LimitDto {
  @ApiPropertyOptional({
    type: [WindowDto],
    maxItems: MAX_WINDOWS,
    description:
      'Required, but for the class `streams`. Each window is a bucket of its own; the first one goes on from what the class had taken before. An empty list: not limited.',
  })
  @MayBeAbsent()
  @IsArray({ message: 'must be a list' })
  @ArrayMaxSize(MAX_WINDOWS, { message: `must have at most ${MAX_WINDOWS} items` })
  @ValidateNested({ each: true, message: 'must be a list of objects' })
  @Type(() => WindowDto)
  windows?: WindowDto[];

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_CONCURRENT,
    description: 'Of the class `streams` alone, and required there: how many at once.',
  })
  @MayBeAbsent()
  @IsWhole(MAX_CONCURRENT)
  concurrent?: number;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_COST,
    default: 1,
    description: 'Units a request takes.',
  })
  @MayBeAbsent()
  @IsWhole(MAX_COST)
  cost?: number;

  @ApiPropertyOptional({ enum: MODES, default: 'enforce', description: '`shadow`: counted, not enforced.' })
  @MayBeAbsent()
  @IsIn(MODES, { message: `must be one of ${MODES.join(', ')}` })
  mode?: Mode;

  @ApiPropertyOptional({ type: String, nullable: true, maxLength: MAX_REASON, example: 'launch week' })
  @MayBeAbsent()
  @Is('isReason', `must be a text of at most ${MAX_REASON} characters without control characters, or null`, isReason)
  reason?: string | null;
}

/** Body of `PUT …/overrides/…`. */
export class OverrideDto extends LimitDto {
  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    default: null,
    description: 'When the override ends by itself.',
  })
  @MayBeAbsent()
  @Is('isTimeOrNull', 'must be an RFC 3339 time, e.g. 2030-01-31T00:00:00Z, or null', isTimeOrNull)
  expires_at?: string | null;
}

/** Body of `POST /api/v1/rate-limits/explain`. */
export class ExplainDto {
  @ApiPropertyOptional({ example: 'cn_live_0123456789AB', description: 'Either this or `user_id`.' })
  @MayBeAbsent()
  @Is('isText', 'must be a text', (value) => typeof value === 'string')
  client_id?: string;

  @ApiPropertyOptional()
  @MayBeAbsent()
  @Is('isUserId', 'must be the id of a user', isUserId)
  user_id?: string;

  @ApiProperty({ example: 'POST /api/v1/query', description: 'The method, and a path or the template of one.' })
  @Is('isRoute', 'must be a method and a path, e.g. POST /api/v1/query', (value) => ROUTE.test(String(value)))
  route!: string;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_EXPLAINED,
    default: 1,
    description: 'Requests at once.',
  })
  @MayBeAbsent()
  @IsWhole(MAX_EXPLAINED)
  n?: number;
}

/** Whether a text is what the id of a user may be: it is part of the names of keys in Redis. */
export function isUserId(value: unknown): boolean {
  return typeof value === 'string' && USER_ID.test(value);
}

/** A short text, or null. */
export function isReason(value: unknown): boolean {
  if (value === null) return true;
  return typeof value === 'string' && [...value].length <= MAX_REASON && value.isWellFormed() && !CONTROL.test(value);
}

/** A time as RFC 3339 writes it, on a day that exists; or null. */
export function isTimeOrNull(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value !== 'string' || !TIME.test(value)) return false;
  const midnight = new Date(`${value.slice(0, 10)}T00:00:00Z`);
  const exists = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(value.slice(0, 10));
  return exists && new Date(value).getUTCFullYear() <= 9999;
}
