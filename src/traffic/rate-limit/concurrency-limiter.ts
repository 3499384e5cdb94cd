import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { ConcurrencyLimitedError } from '../../kernel/app-error.js';
import { Settings } from '../../platform/config/settings.js';
import { addressKey } from '../../platform/http/address-key.js';
import { holdUntilClosed } from './held-response.js';
import { type LeaseAnswer, LeasesService } from './leases.service.js';

const RETRY_AFTER_SECONDS = 1;

/**
 * How many requests one address may have under way at once with only a provider token, over all replicas (see
 * `LeasesService` for what happens without Redis). PostgreSQL is not needed.
 */
@Injectable()
export class ConcurrencyLimiter {
  /** Counted since start. */
  readonly stats = { refused: 0 };
  #underWay = 0;
  readonly #limit: number;

  constructor(
    settings: Settings,
    private readonly leases: LeasesService,
  ) {
    this.#limit = settings.BYOT_MAX_CONCURRENT_PER_ADDRESS;
  }

  /** Requests counted now, in this process. */
  get underWay(): number {
    return this.#underWay;
  }

  /**
   * Counts a request until its response is closed, whether answered or abandoned. Synchronous where no Redis is asked.
   *
   * @throws ConcurrencyLimitedError when the address has as many under way as it may; that one is not counted.
   */
  enter(address: string, response: ServerResponse): void | Promise<void> {
    if (response.closed || response.destroyed) return;
    const answer = this.leases.take(addressKey(address), this.#limit);
    if (answer instanceof Promise) return answer.then((given) => this.#settle(given, response));
    this.#settle(answer, response);
  }

  #settle(answer: LeaseAnswer, response: ServerResponse): void {
    if (!answer.granted) {
      this.stats.refused += 1;
      throw new ConcurrencyLimitedError(
        `At most ${answer.cap} requests with a provider token may be under way at once from one address. Try again when one has ended.`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    this.#underWay += 1;
    holdUntilClosed(response, () => {
      this.#underWay -= 1;
      this.leases.release(answer.lease);
    });
  }
}
