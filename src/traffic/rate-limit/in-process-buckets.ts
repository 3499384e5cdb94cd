import type { RateClass } from '../../kernel/handler-marks.js';
import { type BucketPolicy, type Debt, NO_DEBT, type Taken } from './bucket-policy.js';

interface StoredBucket {
  /** Microseconds since the Unix epoch at which the bucket is full again, and the quota-ths beyond. */
  fullAt: number;
  part: number;
}

/** What a sweep leaves free at least, so that sweeping costs next to nothing per bucket. */
const FREED_BY_SWEEP = 0.1;

/**
 * Token buckets in this process's memory: the normal mode without Redis, and the stand-in while Redis is away.
 *
 * Memory is bounded per class, all of its windows together. When a class is full, buckets that are full again go first (nothing is lost with them),
 * then those nearest to it: forgetting one gives its owner only what it would have had back soonest, and a caller who
 * wants an empty bucket forgotten would have to empty as many others further first. Classes do not compete.
 */
export class InProcessBuckets {
  readonly #classes = new Map<RateClass, Map<string, StoredBucket>>();

  constructor(private readonly maxPerClass: number = 50_000) {}

  /** Buckets held now, in all classes. */
  get size(): number {
    let size = 0;
    for (const buckets of this.#classes.values()) size += buckets.size;
    return size;
  }

  /**
   * Takes what so many requests need from each of the subject's buckets, or from none of them. A bucket in shadow has
   * no say in that, and is itself taken from when the requests are allowed and it holds enough.
   *
   * @param now microseconds since the Unix epoch. A clock set back costs nobody more than one window.
   */
  take(subject: string, policies: readonly BucketPolicy[], requests: number, now: number): Taken {
    const before: Debt[] = [];
    const after: Debt[] = [];
    let allowed = true;
    let lacking = 0;
    for (const [index, policy] of policies.entries()) {
      const stored = this.#bucketOf(subject, policy);
      const debt = stored === undefined ? NO_DEBT : this.#debtOf(stored, policy, now);
      const next = policy.add(debt, policy.debtOf(requests * policy.cost));
      if (next === null) {
        if (policy.shadow) lacking += 1 << index;
        else allowed = false;
      }
      before.push(debt);
      after.push(next ?? debt);
    }
    if (!allowed) return { allowed, debts: before, lacking: 0 };
    for (const [index, policy] of policies.entries()) {
      if ((lacking & (1 << index)) === 0) this.#store(subject, policy, after[index] as Debt, now);
    }
    return { allowed, debts: after, lacking };
  }

  /** Gives back what a request has taken that was refused afterwards, and returns the debts after it. */
  giveBack(subject: string, policies: readonly BucketPolicy[], now: number): Debt[] {
    return policies.map((policy) => {
      const stored = this.#bucketOf(subject, policy);
      if (stored === undefined) return NO_DEBT;
      const debt = policy.subtract(this.#debtOf(stored, policy, now), policy.debtOf(policy.cost));
      this.#store(subject, policy, debt, now);
      return debt;
    });
  }

  /** The debts of the subject's buckets, with no effect on them. */
  peek(subject: string, policies: readonly BucketPolicy[], now: number): Debt[] {
    return policies.map((policy) => {
      const stored = this.#bucketOf(subject, policy);
      return stored === undefined ? NO_DEBT : policy.debtAt(now, stored.fullAt, stored.part);
    });
  }

  /**
   * Remembers what Redis said of the subject's buckets, so that Redis going away does not fill them up. A bucket that
   * is emptier here stays as it is.
   */
  note(subject: string, policies: readonly BucketPolicy[], debts: readonly Debt[], now: number): void {
    for (const [index, policy] of policies.entries()) {
      const debt = debts[index] ?? NO_DEBT;
      const stored = this.#bucketOf(subject, policy);
      if (stored === undefined || stored.fullAt < now + debt.micros) this.#store(subject, policy, debt, now);
    }
  }

  #bucketOf(subject: string, policy: BucketPolicy): StoredBucket | undefined {
    return this.#classes.get(policy.rateClass)?.get(keyOf(subject, policy));
  }

  #debtOf(stored: StoredBucket, policy: BucketPolicy, now: number): Debt {
    const debt = policy.debtAt(now, stored.fullAt, stored.part);
    if (stored.fullAt > now + policy.windowMicros) {
      stored.fullAt = now + policy.windowMicros;
      stored.part = 0;
    }
    return debt;
  }

  #store(subject: string, policy: BucketPolicy, debt: Debt, now: number): void {
    let buckets = this.#classes.get(policy.rateClass);
    if (buckets === undefined) {
      buckets = new Map();
      this.#classes.set(policy.rateClass, buckets);
    }
    const key = keyOf(subject, policy);
    const stored = buckets.get(key);
    if (stored !== undefined) {
      stored.fullAt = now + debt.micros;
      stored.part = debt.part;
      return;
    }
    if (buckets.size >= this.maxPerClass) this.#sweep(buckets, now);
    buckets.set(key, { fullAt: now + debt.micros, part: debt.part });
  }

  #sweep(buckets: Map<string, StoredBucket>, now: number): void {
    for (const [key, bucket] of buckets) if (bucket.fullAt < now) buckets.delete(key);
    let excess = buckets.size - Math.floor(this.maxPerClass * (1 - FREED_BY_SWEEP));
    if (excess <= 0) return;
    const fullTimes = Float64Array.from(buckets.values(), (bucket) => bucket.fullAt).sort();
    const limit = fullTimes[excess - 1] ?? now;
    for (const [key, bucket] of buckets) {
      if (excess > 0 && bucket.fullAt <= limit) {
        buckets.delete(key);
        excess -= 1;
      }
    }
  }
}

/** No subject holds a blank, so that no two buckets have one key. */
function keyOf(subject: string, policy: BucketPolicy): string {
  return policy.name === policy.rateClass ? subject : `${subject} ${policy.windowSeconds}`;
}
