import { createCipheriv, createDecipheriv, createPrivateKey, type KeyObject, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { deriveKey } from '../../platform/crypto/derived-key.js';
import { publicJwkOf } from './signing-key.js';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = 'a1';
const KEY_NAME_LENGTH = 8;

/** Why a private key could not be read. */
export type Unreadable = 'other_master_key' | 'damaged';

/**
 * Private keys as they lie in PostgreSQL: AES-256-GCM under a key derived from `MASTER_KEY` (RFC 5869), with the key's id
 * as associated data, so that none can stand in for another. The text names the master key it was made under, by a value
 * derived from that one too.
 */
@Injectable()
export class SigningKeySeal {
  readonly #key: Buffer;
  readonly #keyName: string;

  constructor(settings: Settings) {
    this.#key = deriveKey(settings.MASTER_KEY, 'signing-keys');
    this.#keyName = deriveKey(settings.MASTER_KEY, 'signing-keys-name').toString('base64url').slice(0, KEY_NAME_LENGTH);
  }

  /** The private part as text. */
  seal(kid: string, privateKey: KeyObject): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(associated(kid));
    const plain = privateKey.export({ type: 'pkcs8', format: 'der' });
    const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    plain.fill(0);
    return `${FORMAT}.${this.#keyName}.${sealed.toString('base64url')}`;
  }

  /**
   * The private part of exactly this key, or why there is none. A key whose public part does not give `kid` is damaged,
   * whoever sealed it.
   */
  open(kid: string, text: string): KeyObject | Unreadable {
    const [format, keyName, body] = text.split('.', 3);
    if (format !== FORMAT || body === undefined) return 'damaged';
    if (keyName !== this.#keyName) return 'other_master_key';
    try {
      const sealed = Buffer.from(body, 'base64url');
      const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(associated(kid)).setAuthTag(sealed.subarray(-TAG_BYTES));
      const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      const privateKey = createPrivateKey({ key: plain, type: 'pkcs8', format: 'der' });
      plain.fill(0);
      return publicJwkOf(privateKey).kid === kid ? privateKey : 'damaged';
    } catch {
      return 'damaged';
    }
  }
}

function associated(kid: string): Buffer {
  return Buffer.from(`core-nest/signing-key/${kid}`);
}
