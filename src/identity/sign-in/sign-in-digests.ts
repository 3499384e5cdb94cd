import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { deriveKey } from '../../platform/crypto/derived-key.js';

/** No cookie can say this: it is longer than the id of a device. */
const WITHIN_A_SESSION = 'within a session of the user';

/**
 * Stands for what somebody typed as an e-mail address, and for devices, where counters and records are kept: keyed
 * (RFC 2104 HMAC-SHA-256), so that whoever reads the table cannot try addresses against it.
 */
@Injectable()
export class SignInDigests {
  readonly #key: Buffer;

  constructor(settings: Settings) {
    this.#key = deriveKey(settings.MASTER_KEY, 'sign-in-digest');
  }

  /** @param emailKey the address in the spelling that users are told apart by. */
  account(emailKey: string): string {
    return this.#digest(`account\n${emailKey}`);
  }

  /** Of a device for one account: the same device of another account is another one. */
  device(account: string, deviceId: string): string {
    return this.#digest(`device\n${account}\n${deviceId}`);
  }

  /** Of whatever is signed in to an account already, as if it were one device. */
  withinSession(account: string): string {
    return this.device(account, WITHIN_A_SESSION);
  }

  #digest(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}
