import { createHmac, hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import { deriveKey } from '../../platform/crypto/derived-key.js';
import { addressKey } from '../../platform/http/address-key.js';

const PREFIX = 'cnr_';
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_BYTES = 32;
/** Digits that hold 256 bits, and those that hold the 32 of the checksum. */
const SECRET_DIGITS = 43;
const CHECKSUM_DIGITS = 6;
const PATTERN = /^cnr_[0-9A-Za-z]{49}$/;
const CHECKSUM_START = PREFIX.length + SECRET_DIGITS;

/** Who presents a token, as far as a request tells. */
export interface TokenHolder {
  readonly address: string;
  readonly userAgent: string | null;
}

/**
 * Refresh tokens as text: `cnr_`, 256 bits in 43 base62 digits, and a checksum of six (CRC-32 of all before it, as in api
 * keys), so that what was cut or mistyped is refused without asking anybody.
 */
@Injectable()
export class RefreshTokenCodec {
  readonly #successors: Buffer;
  readonly #holders: Buffer;

  constructor(settings: Settings) {
    this.#successors = deriveKey(settings.MASTER_KEY, 'refresh-successor');
    this.#holders = deriveKey(settings.MASTER_KEY, 'refresh-holder');
  }

  /** A token that nobody has. */
  random(): Secret {
    return write(randomBytes(SECRET_BYTES));
  }

  /** Whether the text is a token to the byte; whether it was ever given out is another matter. */
  isToken(text: string): boolean {
    return PATTERN.test(text) && text.slice(CHECKSUM_START) === checksumOf(text.slice(0, CHECKSUM_START));
  }

  /**
   * What a token is exchanged for: the same for the same token, so that whoever did not get the answer can be given it
   * again though nothing of it is kept; and not to be found without both the token and `MASTER_KEY`.
   */
  successorOf(token: Secret): Secret {
    return write(createHmac('sha256', this.#successors).update(token.reveal()).digest());
  }

  /** What is kept of a token. It is 256 random bits, so that one fast digest is enough. */
  hashOf(token: Secret): string {
    return hash('sha256', token.reveal(), 'base64url');
  }

  /**
   * What is kept of who used a token: a keyed digest of the user agent and of the address (its /64 for IPv6). Two are the
   * same holder when both are the same.
   */
  holderOf({ address, userAgent }: TokenHolder): string {
    return createHmac('sha256', this.#holders)
      .update(JSON.stringify([addressKey(address), userAgent]))
      .digest('base64url');
  }
}

function write(secret: Buffer): Secret {
  const body = `${PREFIX}${digitsOf(BigInt(`0x${secret.toString('hex')}`), SECRET_DIGITS)}`;
  return new Secret(`${body}${checksumOf(body)}`);
}

function checksumOf(body: string): string {
  return digitsOf(BigInt(crc32(body)), CHECKSUM_DIGITS);
}

function digitsOf(value: bigint, count: number): string {
  const base = BigInt(DIGITS.length);
  let digits = '';
  for (let rest = value; digits.length < count; rest /= base) digits = DIGITS.charAt(Number(rest % base)) + digits;
  return digits;
}
