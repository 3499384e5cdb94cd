import { Injectable } from '@nestjs/common';
import type { RateClass } from '../../kernel/handler-marks.js';
import { RateLimitTable } from '../../platform/config/rate-limit-table.js';
import { Settings } from '../../platform/config/settings.js';
import { BucketPolicy } from './bucket-policy.js';
import { BucketSet } from './bucket-set.js';

/** Which buckets a request of some tier is counted in, worked out once per combination. */
@Injectable()
export class RateLimitPolicy {
  readonly #table: RateLimitTable;
  readonly #sets = new WeakMap<readonly RateClass[], Map<string, BucketSet | null>>();

  constructor(settings: Settings) {
    this.#table = new RateLimitTable(settings.RATE_LIMITS);
  }

  /**
   * The buckets of some classes for a tier; null when none of the classes is limited.
   *
   * @param classes a list that outlives the request: answers are remembered per list.
   */
  bucketsFor(classes: readonly RateClass[], tier: string): BucketSet | null {
    const row = this.#table.isKnownTier(tier) ? tier : '';
    let byTier = this.#sets.get(classes);
    if (byTier === undefined) {
      byTier = new Map();
      this.#sets.set(classes, byTier);
    }
    let set = byTier.get(row);
    if (set === undefined) {
      set = this.#build(classes, row);
      byTier.set(row, set);
    }
    return set;
  }

  #build(classes: readonly RateClass[], tier: string): BucketSet | null {
    const policies = [...new Set(classes)].flatMap((rateClass) => {
      const limit = this.#table.limit(rateClass, tier);
      return limit === null ? [] : [new BucketPolicy(rateClass, limit)];
    });
    return policies.length === 0 ? null : new BucketSet(policies);
  }
}
