import { ValidateBy, ValidateIf } from 'class-validator';

export const MAX_DESCRIPTION = 500;
const CONTROL = /\p{Cc}/u;
const TIME = /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-5]):[0-5]\d)$/;
/** Later years have five digits, which RFC 3339 cannot write. */
const LAST_MILLISECOND = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Absent is fine; null is not, unless the field says so. */
export const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

/** A validator by a test and what is said when it fails. */
export const Is = (name: string, expected: string, validate: (value: unknown) => boolean) =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => expected } });

/** A text, which may be empty, without control characters or half of a surrogate pair. */
export const IsDescription = () =>
  Is('isDescription', `must be a text of at most ${MAX_DESCRIPTION} characters without control characters`, isText);

/** A time as RFC 3339 writes it, on a day that exists; or null. */
export const IsTimeOrNull = () =>
  Is(
    'isTimeOrNull',
    'must be an RFC 3339 time, e.g. 2030-01-31T00:00:00Z, or null',
    (value) => value === null || isTime(value),
  );

/** Texts that all match, none twice, at most so many. */
export function isListOf(value: unknown, pattern: RegExp, max: number): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= max &&
    value.every((entry) => typeof entry === 'string' && pattern.test(entry)) &&
    new Set(value).size === value.length
  );
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_DESCRIPTION && value.isWellFormed() && !CONTROL.test(value);
}

function isTime(value: unknown): boolean {
  if (typeof value !== 'string' || !TIME.test(value)) return false;
  const day = value.slice(0, 10);
  const midnight = new Date(`${day}T00:00:00Z`);
  return (
    !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day) && Date.parse(value) <= LAST_MILLISECOND
  );
}
