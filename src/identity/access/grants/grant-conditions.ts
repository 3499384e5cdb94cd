import type { FieldError } from '../../../kernel/app-error.js';
import type { GrantConditions, GrantHours } from '../../../kernel/grant.js';
import { readAddressRange } from '../../../platform/http/address-ranges.js';
import { isTimeZone } from '../check/zoned-time.js';

/** How a principal can prove who it is: the kinds of credential, and what is done at a sign-in (RFC 8176). */
export const METHODS = [
  'client',
  'jwt',
  'session',
  'password',
  'pwd',
  'otp',
  'mfa',
  'hwk',
  'swk',
  'pop',
  'sms',
  'user',
  'fed',
] as const;

export const MAX_ENTRIES = 64;
const MAX_AUTH_AGE_SECONDS = 31_536_000;
const START = /^(?:[01]\d|2[0-3]):[0-5]\d$/;
const END = /^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/;
const COUNTRY = /^[A-Z]{2}$/;
const HOURS_FIELDS: readonly string[] = ['zone', 'days', 'from', 'to'];

type Problem = string | null;
type Reader = (value: unknown) => Problem | readonly FieldError[];

/**
 * Reads the conditions of a grant from a JSON value, to the letter: a condition with a mistake in it would let through
 * what it was to keep out. Null, and no condition at all, are null.
 *
 * @param location of the value, for what is said of it.
 */
export function readConditions(
  value: unknown,
  location: string,
): { readonly conditions: GrantConditions | null; readonly errors: readonly FieldError[] } {
  if (value === null) return { conditions: null, errors: [] };
  if (!isPlainObject(value)) return { conditions: null, errors: [{ location, message: 'must be an object, or null' }] };
  const errors = Object.entries(value).flatMap(([name, inner]): readonly FieldError[] => {
    const at = `${location}.${name.slice(0, 64)}`;
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (reader === undefined)
      return [{ location: at, message: `is not a condition; there are ${Object.keys(READERS).join(', ')}` }];
    const problem = reader(inner);
    if (problem === null) return [];
    if (typeof problem === 'string') return [{ location: at, message: problem }];
    return problem.map((each) => ({ location: `${at}.${each.location}`, message: each.message }));
  });
  const conditions = canonical(value as GrantConditions);
  return { conditions: errors.length > 0 || Object.keys(conditions).length === 0 ? null : conditions, errors };
}

const READERS: Readonly<Record<string, Reader>> = {
  cidr: (value) =>
    isList(value, (text) => readAddressRange(text) !== null)
      ? null
      : `must be a list of 1 to ${MAX_ENTRIES} addresses or CIDR ranges without bits beyond the length`,
  hours: readHours,
  methods: (value) =>
    isList(value, (text) => METHODS.some((method) => method === text))
      ? null
      : `must be a list of different methods out of ${METHODS.join(', ')}`,
  max_auth_age_seconds: (value) =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_AUTH_AGE_SECONDS
      ? null
      : `must be a whole number from 1 to ${MAX_AUTH_AGE_SECONDS}`,
  mfa: (value) => (value === true ? null : 'must be true; leave it out where it is not asked for'),
  countries: (value) =>
    isList(value, (text) => COUNTRY.test(text))
      ? null
      : `must be a list of 1 to ${MAX_ENTRIES} different country codes of two capital letters (ISO 3166)`,
  own_only: (value) => (value === true ? null : 'must be true; leave it out where it is not asked for'),
};

function readHours(value: unknown): Problem | readonly FieldError[] {
  if (!isPlainObject(value)) return 'must be an object with zone, from, to and, if it is not every day, days';
  const { zone, days, from, to } = value;
  const problems: FieldError[] = Object.keys(value)
    .filter((name) => !HOURS_FIELDS.includes(name))
    .map((name) => ({ location: name.slice(0, 64), message: 'is not a field of hours' }));
  if (typeof zone !== 'string' || !isTimeZone(zone))
    problems.push({ location: 'zone', message: 'must be the IANA name of a time zone, like Europe/Berlin' });
  if (days !== undefined && !isDays(days))
    problems.push({ location: 'days', message: 'must be a list of different days from 1 (Monday) to 7' });
  if (typeof from !== 'string' || !START.test(from))
    problems.push({ location: 'from', message: 'must be a time of day from 00:00 to 23:59' });
  if (typeof to !== 'string' || !END.test(to))
    problems.push({ location: 'to', message: 'must be a time of day from 00:00 to 24:00' });
  if (from === to)
    problems.push({ location: 'to', message: 'must differ from the beginning; a whole day is 00:00 to 24:00' });
  return problems.length > 0 ? problems : null;
}

function isDays(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((day) => Number.isInteger(day) && day >= 1 && day <= 7) &&
    new Set(value).size === value.length
  );
}

function isList(value: unknown, isEntry: (text: string) => boolean): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_ENTRIES &&
    value.every((entry) => typeof entry === 'string' && isEntry(entry)) &&
    new Set(value).size === value.length
  );
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Ranges in their one spelling, and the days of hours in order. */
function canonical(conditions: GrantConditions): GrantConditions {
  const { cidr, hours } = conditions;
  return {
    ...conditions,
    ...(Array.isArray(cidr) && {
      cidr: [...new Set(cidr.flatMap((text) => readAddressRange(String(text))?.text ?? []))],
    }),
    ...(isPlainObject(hours) && { hours: orderly(hours as unknown as GrantHours) }),
  };
}

function orderly({ zone, days, from, to }: GrantHours): GrantHours {
  return { zone, ...(Array.isArray(days) && { days: days.toSorted() }), from, to };
}
