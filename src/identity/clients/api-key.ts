import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Secret } from '../../kernel/secret.js';

/** What a client is for; it shows in its id. */
export const ENVIRONMENTS = ['live', 'test'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** What a client id looks like, to the byte. */
export const CLIENT_ID_PATTERN = /^cn_(?:live|test)_[0-9A-Za-z]{12}$/;

/** The credential a caller presented, well formed and with a right checksum; whether it is genuine is another matter. */
export interface ApiKey {
  readonly clientId: string;
  /** The 30 characters that are hashed. */
  readonly secret: Secret;
}

/** A credential just made, in every form its owner and we need. All but the hint are gone once it was shown. */
export interface NewCredential extends ApiKey {
  readonly clientSecret: Secret;
  readonly apiKey: Secret;
  /** The last four characters of the client secret: enough to tell two apart, and part of the checksum only. */
  readonly hint: string;
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = DIGITS.length;
/** The largest multiple of 62 in a byte: bytes from here on are thrown away, so that no digit is likelier than another. */
const UNBIASED_BYTES = 256 - (256 % BASE);
const NOT_A_DIGIT = 255;
const DIGIT_VALUES = new Uint8Array(128).fill(NOT_A_DIGIT);
for (let value = 0; value < BASE; value++) DIGIT_VALUES[DIGITS.charCodeAt(value)] = value;

const UNDERSCORE = 0x5f;
const ID_DIGITS = 12;
const ID_PREFIX_LENGTH = 'cn_live_'.length;
const ID_LENGTH = ID_PREFIX_LENGTH + ID_DIGITS;
const SECRET_DIGITS = 30;
const CHECKSUM_DIGITS = 6;
const SECRET_START = ID_LENGTH + 1;
const CHECKSUM_START = SECRET_START + SECRET_DIGITS;
const API_KEY_LENGTH = CHECKSUM_START + CHECKSUM_DIGITS;
const HINT_LENGTH = 4;
const SECRET_ID_DIGITS = 16;

/**
 * Takes an api key apart: exact length, exact bytes, right checksum, and null for anything else. Case counts, nothing is
 * trimmed or normalised. No I/O and no regular expression: a malformed key costs well under a microsecond.
 */
export function parseApiKey(text: string): ApiKey | null {
  if (text.length !== API_KEY_LENGTH || !startsWithId(text) || text.charCodeAt(ID_LENGTH) !== UNDERSCORE) return null;
  if (!areDigits(text, SECRET_START, API_KEY_LENGTH)) return null;
  if (readNumber(text, CHECKSUM_START) !== crc32(text.slice(0, CHECKSUM_START))) return null;
  return { clientId: text.slice(0, ID_LENGTH), secret: new Secret(text.slice(SECRET_START, CHECKSUM_START)) };
}

/** The same for the id and the secret of HTTP Basic (RFC 7617), which arrive apart. */
export function parseClientCredentials(clientId: string, clientSecret: string): ApiKey | null {
  if (clientId.length !== ID_LENGTH) return null;
  return parseApiKey(`${clientId}_${clientSecret}`);
}

/** Whether the text is a client id to the byte. Anything else names no client, so it need not be looked up. */
export function isClientId(text: string): boolean {
  return text.length === ID_LENGTH && startsWithId(text);
}

/** A client id that nobody has: 71 random bits. */
export function generateClientId(environment: Environment): string {
  return `cn_${environment}_${randomDigits(ID_DIGITS)}`;
}

/** An id for a secret: not a secret itself. */
export function generateSecretId(): string {
  return `sec_${randomDigits(SECRET_ID_DIGITS)}`;
}

/** A new secret for a client: 178 random bits and their checksum. @throws Error when the id is not one. */
export function generateCredential(clientId: string): NewCredential {
  if (!isClientId(clientId)) throw new Error('A secret is made for a client id and nothing else.');
  const secret = randomDigits(SECRET_DIGITS);
  const clientSecret = `${secret}${checksumOf(clientId, secret)}`;
  return {
    clientId,
    secret: new Secret(secret),
    clientSecret: new Secret(clientSecret),
    apiKey: new Secret(`${clientId}_${clientSecret}`),
    hint: clientSecret.slice(-HINT_LENGTH),
  };
}

/** The hint of a client's secret, whether it is genuine or not: it tells which of several it could be, without hashing. */
export function hintOf(clientId: string, secret: Secret): string {
  return checksumOf(clientId, secret.reveal()).slice(-HINT_LENGTH);
}

/** Random base62 digits, each as likely as any other. */
export function randomDigits(count: number): string {
  let digits = '';
  while (digits.length < count) {
    for (const byte of randomBytes(count - digits.length)) {
      if (byte < UNBIASED_BYTES) digits += DIGITS.charAt(byte % BASE);
    }
  }
  return digits;
}

function checksumOf(clientId: string, secret: string): string {
  return writeNumber(crc32(`${clientId}_${secret}`));
}

function startsWithId(text: string): boolean {
  return (text.startsWith('cn_live_') || text.startsWith('cn_test_')) && areDigits(text, ID_PREFIX_LENGTH, ID_LENGTH);
}

function areDigits(text: string, from: number, to: number): boolean {
  for (let index = from; index < to; index++) {
    const code = text.charCodeAt(index);
    if (code > 127 || DIGIT_VALUES[code] === NOT_A_DIGIT) return false;
  }
  return true;
}

function readNumber(digits: string, from: number): number {
  let value = 0;
  for (let index = from; index < from + CHECKSUM_DIGITS; index++) {
    value = value * BASE + (DIGIT_VALUES[digits.charCodeAt(index)] ?? 0);
  }
  return value;
}

function writeNumber(value: number): string {
  let digits = '';
  for (let rest = value; digits.length < CHECKSUM_DIGITS; rest = Math.floor(rest / BASE)) {
    digits = DIGITS.charAt(rest % BASE) + digits;
  }
  return digits;
}
