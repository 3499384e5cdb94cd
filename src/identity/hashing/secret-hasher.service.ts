import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { hashSync } from 'bcryptjs';
import { Piscina } from 'piscina';
import { ServiceUnavailableError } from '../../kernel/app-error.js';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';

/** bcrypt reads 72 bytes; the 30 characters of a client's secret are far below, and nothing longer is ever hashed. */
const MAX_SECRET_BYTES = 72;

/** Salt and hash of nothing that anybody holds, for spending on an unknown id what a known one costs. */
const DUMMY = hashSync('', 4).slice(6);

/**
 * bcrypt in worker threads. The event loop never hashes; a bounded number of hashes may wait, and one more is refused.
 */
@Injectable()
export class SecretHasher implements OnApplicationShutdown {
  readonly #pool: Piscina;
  readonly #cost: number;

  constructor(settings: Settings) {
    this.#cost = settings.BCRYPT_COST;
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

  /** The bcrypt hash of a secret, at `BCRYPT_COST` unless told. @throws ServiceUnavailableError when too many wait. */
  hash(secret: Secret, cost = this.#cost): Promise<string> {
    return this.#run({ secret: bounded(secret), cost });
  }

  /** Whether the secret is the one the hash was made of. @throws ServiceUnavailableError when too many wait. */
  matches(secret: Secret, hash: string): Promise<boolean> {
    return this.#run({ secret: bounded(secret), hash });
  }

  /** Costs what `matches` costs for a hash of that cost, and is never true: for identities that do not exist. */
  async spendAsIfMatching(secret: Secret, cost = this.#cost): Promise<false> {
    await this.matches(secret, `$2b$${String(cost).padStart(2, '0')}${DUMMY}`);
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

/** Whether a bcrypt hash was made at another cost than the one wanted now; true of what is no bcrypt hash. */
export function needsRehash(hash: string, cost: number): boolean {
  return Number(/^\$2[aby]\$(\d\d)\$/.exec(hash)?.[1]) !== cost;
}

function bounded(secret: Secret): string {
  const text = secret.reveal();
  if (Buffer.byteLength(text) > MAX_SECRET_BYTES) throw new Error('A secret longer than bcrypt reads is never hashed.');
  return text;
}

function isFull(error: unknown): boolean {
  return error instanceof Error && /queue is at limit/i.test(error.message);
}
