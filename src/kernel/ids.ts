import { randomBytes } from 'node:crypto';

/** What an id of ours begins with, by what it names. */
export const ID_PREFIXES = ['usr', 'ses', 'rol', 'grt', 'rft'] as const;
export type IdPrefix = (typeof ID_PREFIXES)[number];

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** The largest multiple of 62 in a byte: bytes from here on are thrown away, so that no digit is likelier than another. */
const UNBIASED_BYTES = 256 - (256 % DIGITS.length);
const ID_DIGITS = 20;
const ID_PATTERN = /^[a-z]{3}_[0-9A-Za-z]{20}$/;

/** A new id: the prefix and 20 random base62 digits (119 bits). */
export function newId(prefix: IdPrefix): string {
  let digits = '';
  while (digits.length < ID_DIGITS) {
    for (const byte of randomBytes(ID_DIGITS)) {
      if (byte < UNBIASED_BYTES && digits.length < ID_DIGITS) digits += DIGITS[byte % DIGITS.length];
    }
  }
  return `${prefix}_${digits}`;
}

/** Whether a text looks like such an id, to the byte; what does not is not looked up. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return ID_PATTERN.test(text) && text.startsWith(prefix);
}
