import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { ConcurrencyLimitedError } from '../../kernel/app-error.js';
import { Settings } from '../../platform/config/settings.js';
import { addressKey } from './address-key.js';

const RETRY_AFTER_SECONDS = 1;

/**
 * How many requests one address may have under way at once with only a provider token. Counted in this process: it
 * bounds what one address can hold open here, and needs neither Redis nor PostgreSQL.
 */
@Injectable()
export class ConcurrencyLimiter {
  /** Counted since start. */
  readonly stats = { refused: 0 };
  readonly #underWay = new Map<string, number>();
  readonly #limit: number;

  constructor(settings: Settings) {
    this.#limit = settings.BYOT_MAX_CONCURRENT_PER_ADDRESS;
  }

  /** Requests counted now. */
  get underWay(): number {
    let total = 0;
    for (const count of this.#underWay.values()) total += count;
    return total;
  }

  /**
   * Counts a request until its response is closed, whether answered or abandoned.
   *
   * @throws ConcurrencyLimitedError when the address has as many under way as it may; that one is not counted.
   */
  enter(address: string, response: ServerResponse): void {
    if (response.closed || response.destroyed) return;
    const key = addressKey(address);
    const count = this.#underWay.get(key) ?? 0;
    if (count >= this.#limit) {
      this.stats.refused += 1;
      throw new ConcurrencyLimitedError(
        `At most ${this.#limit} requests with a provider token may be under way at once from one address. Try again when one has ended.`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    this.#underWay.set(key, count + 1);
    response.once('close', () => this.#leave(key));
  }

  #leave(key: string): void {
    const count = this.#underWay.get(key) ?? 0;
    if (count > 1) this.#underWay.set(key, count - 1);
    else this.#underWay.delete(key);
  }
}
