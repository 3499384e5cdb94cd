import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { hashSync } from 'bcryptjs';
import { Piscina } from 'piscina';
import { ServiceUnavailableError } from '../../kernel/app-error.js';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';

/** bcrypt reads 72 bytes; the 30 characters of a secret are far below, and nothing longer is ever hashed. */
const MAX_SECRET_BYTES = 72;

/**
 * bcrypt in worker threads. The event loop never hashes; a bounded number of hashes may wait, and one more is refused.
 */
@Injectable()
export class SecretHasher implements OnApplicationShutdown {
  readonly #pool: Piscina;
  readonly #cost: number;
  readonly #dummyHash: string;

  constructor(settings: Settings) {
    this.#cost = settings.BCRYPT_COST;
    // A hash of nothing that anybody holds, for spending on an unknown id what a known one costs.
    this.#dummyHash = `$2b$${String(settings.BCRYPT_COST).padStart(2, '0')}${hashSync('', 4).slice(6)}`;
    const threads = settings.BCRYPT_THREADS || Math.max(1, availableParallelism() - 1);
    this.#pool = new Piscina({
      filename: path.join(import.meta.dirname, 'bcrypt.worker.js'),
      name: 'work',
      minThreads: 1,
      maxThreads: threads,
      maxQueue: settings.BCRYPT_QUEUE,
      idleTimeout: 60_000,
    });
  }

  /** Hashes waiting for a thread. */
  get waiting(): number {
    return this.#pool.queueSize;
  }

  /** The bcrypt hash of a secret at `BCRYPT_COST`. @throws ServiceUnavailableError when too many wait. */
  hash(secret: Secret): Promise<string> {
    return this.#run({ secret: bounded(secret), cost: this.#cost });
  }

  /** Whether the secret is the one the hash was made of. @throws ServiceUnavailableError when too many wait. */
  matches(secret: Secret, hash: string): Promise<boolean> {
    return this.#run({ secret: bounded(secret), hash });
  }

  /** Costs what `matches` costs and is never true: for identities that do not exist. */
  async spendAsIfMatching(secret: Secret): Promise<false> {
    await this.matches(secret, this.#dummyHash);
    return false;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.destroy();
  }

  async #run<T>(job: { secret: string; cost?: number; hash?: string }): Promise<T> {
    try {
      return await this.#pool.run(job);
    } catch (error) {
      if (isFull(error))
        throw new ServiceUnavailableError('Too many new credentials are being checked. Try again shortly.');
      // The pool's error may carry the job: a fresh one says that it failed and nothing of what it held.
      throw new Error('The hashing worker failed.');
    }
  }
}

function bounded(secret: Secret): string {
  const text = secret.reveal();
  if (Buffer.byteLength(text) > MAX_SECRET_BYTES) throw new Error('A secret longer than bcrypt reads is never hashed.');
  return text;
}

function isFull(error: unknown): boolean {
  return error instanceof Error && /queue is at limit/i.test(error.message);
}
