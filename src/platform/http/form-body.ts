import { MalformedBodyError, UnsupportedMediaTypeError } from '../../kernel/app-error.js';
import type { HttpRequest } from './http-request.js';
import { readRawBody } from './raw-body.js';

const FORM_MEDIA_TYPE = /^application\/x-www-form-urlencoded\s*(?:;\s*charset="?utf-8"?\s*)?$/i;
const MAX_FIELDS = 32;
/** Anything else arrives percent-encoded. */
const VISIBLE_ASCII = /^[\x21-\x7e]*$/;
const NOT_A_FORM = 'The body is not a form in UTF-8.';

/** Whether a request announces its body as a form. */
export function hasFormBody(request: HttpRequest): boolean {
  return FORM_MEDIA_TYPE.test(request.raw.headers['content-type'] ?? '');
}

/**
 * Reads the body of a request as a form, the way OAuth sends parameters (RFC 6749, appendix B): each name once, and a
 * parameter without a value as if it were not there (3.2).
 *
 * @throws UnsupportedMediaTypeError when it is not announced as one, PayloadTooLargeError beyond `limitBytes`,
 *   MalformedBodyError for a name twice, too many of them, a NUL, or what is not UTF-8.
 */
export async function readFormBody(request: HttpRequest, limitBytes: number): Promise<ReadonlyMap<string, string>> {
  if (!hasFormBody(request) || request.raw.headers['content-encoding'] !== undefined)
    throw new UnsupportedMediaTypeError(
      'Send the parameters as "Content-Type: application/x-www-form-urlencoded", without an encoding.',
    );
  const text = (await readRawBody(request, limitBytes)).toString('latin1');
  if (!VISIBLE_ASCII.test(text)) throw new MalformedBodyError(NOT_A_FORM);
  const fields = new Map<string, string>();
  for (const pair of text === '' ? [] : text.split('&')) {
    const [name, value] = splitPair(pair);
    if (value === '') continue;
    if (fields.has(name)) throw new MalformedBodyError('The body has a parameter twice.');
    if (fields.size === MAX_FIELDS) throw new MalformedBodyError(`The body has more than ${MAX_FIELDS} parameters.`);
    fields.set(name, value);
  }
  return fields;
}

function splitPair(pair: string): [name: string, value: string] {
  const equals = pair.indexOf('=');
  return equals < 0 ? [decode(pair), ''] : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
}

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new MalformedBodyError(NOT_A_FORM);
  }
  if (decoded.includes('\u0000')) throw new MalformedBodyError('The body has a text with a NUL character.');
  return decoded;
}
