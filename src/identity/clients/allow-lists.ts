import { BYOT_PROVIDERS } from '../../kernel/auth-state.js';
import { coversRange, readAddressRange } from '../../platform/http/address-ranges.js';

/** What a client is limited to; null: not at all. A list holds at least one entry. */
export interface AllowLists {
  readonly allowedAddresses: readonly string[] | null;
  readonly allowedModels: readonly string[] | null;
  readonly allowedProviders: readonly string[] | null;
}

/** Entries of one list. */
export const MAX_ALLOWED = 64;
/** Providers a list can name; those the gateway has. */
export const ALLOWABLE_PROVIDERS: readonly string[] = [...BYOT_PROVIDERS, 'core-nest'];

const MAX_MODEL_NAME = 128;
const MODEL = /^[A-Za-z0-9][\w.:@+-]*(?:\/[\w:@+-][\w.:@+-]*)*(?:\/\*)?$/;
const WILDCARD = '/*';

/** Whether a text can stand in a list of models: `provider/model`, `provider/*`, or an alias or bare name. */
export function isModelEntry(text: string): boolean {
  if (text.length > MAX_MODEL_NAME || !MODEL.test(text)) return false;
  return !text.endsWith(WILDCARD) || ALLOWABLE_PROVIDERS.includes(text.slice(0, -WILDCARD.length));
}

/** The addresses and ranges in canonical spelling, none twice. What is none is left out: validate before. */
export function canonicalAddresses(texts: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => readAddressRange(text)?.text ?? []))];
}

/** The lists that are asked for, and in place of those that are not the ones there are. */
export function listsOf(there: AllowLists, asked: Partial<AllowLists>): AllowLists {
  const { allowedAddresses, allowedModels, allowedProviders } = asked;
  return {
    allowedAddresses: allowedAddresses === undefined ? there.allowedAddresses : allowedAddresses,
    allowedModels: allowedModels === undefined ? there.allowedModels : allowedModels,
    allowedProviders: allowedProviders === undefined ? there.allowedProviders : allowedProviders,
  };
}

/**
 * The first list that lets `inner` do what `outer` may not, by the name of its field; null when there is none.
 *
 * It compares entry by entry and errs towards refusing: two neighbouring ranges do not cover the range they make up, and
 * a model does not cover an alias of it, which the operator may point elsewhere tomorrow.
 */
export function wideningList(outer: AllowLists, inner: AllowLists): string | null {
  if (!covers(outer.allowedAddresses, inner.allowedAddresses, coversAddress)) return 'allowed_addresses';
  if (!covers(outer.allowedModels, inner.allowedModels, coversModel)) return 'allowed_models';
  if (!covers(outer.allowedProviders, inner.allowedProviders, (one, other) => one === other))
    return 'allowed_providers';
  return null;
}

function covers(
  outer: readonly string[] | null,
  inner: readonly string[] | null,
  coversEntry: (outer: string, inner: string) => boolean,
): boolean {
  if (outer === null) return true;
  return inner?.every((entry) => outer.some((other) => coversEntry(other, entry))) ?? false;
}

function coversAddress(outer: string, inner: string): boolean {
  const [wide, narrow] = [readAddressRange(outer), readAddressRange(inner)];
  return wide !== null && narrow !== null && coversRange(wide, narrow);
}

function coversModel(outer: string, inner: string): boolean {
  return outer === inner || (outer.endsWith(WILDCARD) && inner.startsWith(outer.slice(0, -1)));
}
