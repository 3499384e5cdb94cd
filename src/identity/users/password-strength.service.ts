import path from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { ServiceUnavailableError } from '../../kernel/app-error.js';
import type { Secret } from '../../kernel/secret.js';

/** One estimate takes 1 to 250 ms. */
const QUEUE = 32;
const IDLE_MS = 60_000;

export interface PasswordStrength {
  /** It is on the list of common and breached passwords that is shipped. */
  readonly leaked: boolean;
  /** By zxcvbn: 0 (guessed at once) to 4 (beyond an offline attack). */
  readonly score: number;
}

/**
 * How easily a password is guessed, estimated in a worker thread that is started with the first one and ends after a
 * minute without: its word lists take 40 MB and a fifth of a second, of which the event loop sees nothing.
 */
@Injectable()
export class PasswordStrengthService implements OnApplicationShutdown {
  #pool: Piscina | null = null;

  /**
   * @param words what the user is known by.
   * @throws ServiceUnavailableError when too many wait.
   */
  async of(password: Secret, words: readonly string[]): Promise<PasswordStrength> {
    this.#pool ??= new Piscina({
      filename: path.join(import.meta.dirname, 'password-strength.worker.js'),
      name: 'work',
      minThreads: 0,
      maxThreads: 1,
      maxQueue: QUEUE,
      idleTimeout: IDLE_MS,
    });
    try {
      return await this.#pool.run({ password: password.reveal(), words });
    } catch (error) {
      if (error instanceof Error && /queue is at limit/i.test(error.message))
        throw new ServiceUnavailableError('Too many passwords are being looked at. Try again shortly.');
      // The pool's error may carry the password.
      throw new Error('The worker that looks at passwords failed.');
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool?.destroy();
  }
}
