import { isIP } from 'node:net';
import { ValidateBy, type ValidationOptions } from 'class-validator';
import { isAttemptBudget } from './attempt-budget.js';
import { isRateLimitsText } from './rate-limit-table.js';

const MODEL_ALIAS = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}=[a-z-]+\/[^\s,=]{1,128}$/;

function check(name: string, expected: string, test: (value: string) => boolean) {
  return (options?: ValidationOptions) =>
    ValidateBy(
      {
        name,
        validator: { validate: (value) => typeof value === 'string' && test(value), defaultMessage: () => expected },
      },
      options,
    );
}

/** The non-empty items of a comma-separated setting, without surrounding blanks. */
export function listItems(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function isCidr(item: string): boolean {
  const [address = '', bits, ...rest] = item.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

function isOrigin(item: string): boolean {
  return URL.canParse(item) && new URL(item).origin === item;
}

function isHttpBaseUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return (
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === '' &&
    !value.endsWith('/')
  );
}

/** Addresses and CIDR ranges, separated by commas. */
export const IsCidrList = check('isCidrList', 'must be addresses or CIDR ranges separated by commas', (value) =>
  listItems(value).every(isCidr),
);

/** Browser origins (`https://app.example.com`), separated by commas. */
export const IsOriginList = check(
  'isOriginList',
  'must be origins like https://app.example.com separated by commas',
  (value) => listItems(value).every(isOrigin),
);

/** An http or https URL without credentials, query or closing slash. */
export const IsHttpBaseUrl = check(
  'isHttpBaseUrl',
  'must be an http(s) URL without credentials, query or closing slash',
  isHttpBaseUrl,
);

/** `class[.tier]=quota/seconds`, separated by commas. */
export const IsRateLimits = check(
  'isRateLimits',
  'must be class[.tier]=quota/seconds separated by commas, e.g. general.free=100/3600',
  isRateLimitsText,
);

/** `alias=provider/model`, separated by commas. */
export const IsModelAliases = check('isModelAliases', 'must be alias=provider/model separated by commas', (value) =>
  listItems(value).every((item) => MODEL_ALIAS.test(item)),
);

/** `attempts/seconds`, or `off`. */
export const IsAttemptBudget = check(
  'isAttemptBudget',
  'must be attempts/seconds, e.g. 10/60, or off',
  isAttemptBudget,
);
