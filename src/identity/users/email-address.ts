import { isEmail } from 'class-validator';

/** RFC 5321, 4.5.3.1.3, without the angle brackets. */
const MAX_CHARACTERS = 254;

/** Whether mail can be sent to it: one address without a name, comment, quotes or address literal. */
export function isEmailAddress(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    text.length <= MAX_CHARACTERS &&
    text.isWellFormed() &&
    text === text.normalize('NFC') &&
    !/[\p{Cc}\p{Cf}\p{Z}",;:<>()[\]\\]/u.test(text) &&
    isEmail(text, { require_tld: false, allow_utf8_local_part: true })
  );
}

/**
 * What two spellings of one address have in common: compatibility forms and case do not count (Unicode NFKC). It is only
 * compared; mail goes to the address as it was given.
 */
export function emailKeyOf(email: string): string {
  return email.normalize('NFKC').toLowerCase().normalize('NFKC');
}
