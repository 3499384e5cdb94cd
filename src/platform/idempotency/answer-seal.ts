import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { deriveKey } from '../crypto/derived-key.js';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** No part of a hashed list can be taken for two, or two for one. */
const SEPARATOR = '\n';

/**
 * Hides what is kept for a repeated request: keyed hashes of the caller's key and body (HMAC-SHA-256), and the answer
 * under AES-256-GCM (NIST SP 800-38D), bound to its row. The keys are derived from `MASTER_KEY` (RFC 5869 HKDF): a copy
 * of the database alone gives away nothing.
 */
@Injectable()
export class AnswerSeal {
  readonly #answers: Buffer;
  readonly #hashes: Buffer;

  constructor(settings: Settings) {
    this.#answers = deriveKey(settings.MASTER_KEY, 'idempotency-answer');
    this.#hashes = deriveKey(settings.MASTER_KEY, 'idempotency-hash');
  }

  /** A keyed hash of the parts, in their order; none may hold a line break. */
  hash(...parts: readonly string[]): string {
    return createHmac('sha256', this.#hashes).update(parts.join(SEPARATOR)).digest('base64url');
  }

  /** Seals an answer for the row `id` alone. */
  seal(id: string, answer: unknown): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#answers, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(id));
    const text = Buffer.concat([cipher.update(JSON.stringify(answer)), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]);
  }

  /** The answer of the row `id`; undefined for anything that this key did not seal for that row. */
  open(id: string, sealed: Buffer): unknown {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#answers, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(id)).setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    try {
      const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      return JSON.parse(text.toString()) as unknown;
    } catch {
      return undefined;
    }
  }
}
