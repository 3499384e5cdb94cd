import { ValidateBy, type ValidationOptions } from 'class-validator';
import { ADMIN_SCOPE, PERMISSIONS } from '../../kernel/handler-marks.js';
import { readAddressRange } from '../../platform/http/address-ranges.js';
import { ALLOWABLE_PROVIDERS, isModelEntry, MAX_ALLOWED } from './allow-lists.js';

/** What a client can hold. */
export const SCOPES: readonly string[] = [...PERMISSIONS, ADMIN_SCOPE];

const MAX_NAME_CHARACTERS = 128;
const MAX_SCOPES = 32;
const CONTROL = /\p{Cc}/u;
const VISIBLE = /[^\p{Z}\p{C}]/u;
const TIME = /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
/** Later years have five digits, which RFC 3339 cannot write. */
const LAST_MILLISECOND = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** 1 to 128 characters (code points), at least one of them visible, no control characters, no half of a surrogate pair. */
export const IsClientName = check(
  'isClientName',
  `must be a text of 1 to ${MAX_NAME_CHARACTERS} characters without control characters`,
  isClientName,
);

/** What the name of a tier looks like; whether there is such a tier is for the settings to say. */
export const IsTierName = check('isTierName', 'must be the name of a tier', isTierName);

/** Known scopes, none twice. */
export const IsScopeList = check(
  'isScopeList',
  `must be a list of at most ${MAX_SCOPES} different scopes out of ${SCOPES.join(', ')}`,
  isScopeList,
);

/** A time as RFC 3339 writes it, on a day that exists; or null. */
export const IsTimeOrNull = check(
  'isTimeOrNull',
  'must be an RFC 3339 time, e.g. 2030-01-31T00:00:00Z, or null',
  (value) => value === null || isTime(value),
);

/** Addresses and CIDR ranges, at least one; or null. */
export const IsAddressListOrNull = check(
  'isAddressListOrNull',
  `must be a list of 1 to ${MAX_ALLOWED} addresses or CIDR ranges like 203.0.113.0/24 or 2001:db8::/32 without bits beyond the length, or null for no restriction`,
  (value) => value === null || isList(value, (text) => readAddressRange(text) !== null),
);

/** Names of models, none twice, at least one; or null. Whether there is such an alias is for the gateway to say. */
export const IsModelListOrNull = check(
  'isModelListOrNull',
  `must be a list of 1 to ${MAX_ALLOWED} different models like openai/gpt-4o-mini, openai/* or an alias, or null for no restriction`,
  (value) => value === null || (isList(value, isModelEntry) && areDifferent(value)),
);

/** Known providers, none twice, at least one; or null. */
export const IsProviderListOrNull = check(
  'isProviderListOrNull',
  `must be a list of different providers out of ${ALLOWABLE_PROVIDERS.join(', ')}, or null for no restriction`,
  (value) => value === null || (isList(value, (text) => ALLOWABLE_PROVIDERS.includes(text)) && areDifferent(value)),
);

/** An empty list is refused: of the two things it could mean, each would surprise who meant the other. */
function isList(value: unknown, isEntry: (text: string) => boolean): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_ALLOWED &&
    value.every((entry) => typeof entry === 'string' && isEntry(entry))
  );
}

function areDifferent(list: readonly unknown[]): boolean {
  return new Set(list).size === list.length;
}

function isClientName(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > MAX_NAME_CHARACTERS * 2) return false;
  return (
    VISIBLE.test(value) && [...value].length <= MAX_NAME_CHARACTERS && value.isWellFormed() && !CONTROL.test(value)
  );
}

function isTierName(value: unknown): boolean {
  return typeof value === 'string' && /^[a-z][a-z0-9_-]{0,31}$/.test(value);
}

function isScopeList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length <= MAX_SCOPES &&
    value.every((scope) => SCOPES.includes(scope)) &&
    areDifferent(value)
  );
}

function isTime(value: unknown): boolean {
  if (typeof value !== 'string' || !TIME.test(value)) return false;
  const day = value.slice(0, 10);
  const midnight = new Date(`${day}T00:00:00Z`);
  return (
    !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day) && Date.parse(value) <= LAST_MILLISECOND
  );
}

function check(name: string, expected: string, test: (value: unknown) => boolean) {
  return (options?: ValidationOptions) =>
    ValidateBy({ name, validator: { validate: test, defaultMessage: () => expected } }, options);
}
