import type { BucketPolicy } from '../../src/traffic/rate-limit/bucket-policy.js';

/**
 * What a set of token buckets must do, in exact integers and nothing like the code under test: a bucket's debt is kept
 * in quota-ths of a microsecond, in which a unit costs the window and a microsecond pays back the quota.
 */
export class BucketModel {
  readonly #debts = new Map<string, bigint>();

  /** What so many requests come to: all enforced buckets decide together, one in shadow for itself alone. */
  take(policies: readonly BucketPolicy[], requests: number): boolean {
    const fits = (policy: BucketPolicy) => this.#after(policy, requests) <= capacity(policy);
    if (!policies.every((policy) => policy.shadow || fits(policy))) return false;
    for (const policy of policies) if (fits(policy)) this.#debts.set(policy.name, this.#after(policy, requests));
    return true;
  }

  /** Which buckets in shadow would have refused so many requests. */
  lacking(policies: readonly BucketPolicy[], requests: number): boolean[] {
    return policies.map((policy) => policy.shadow && this.#after(policy, requests) > capacity(policy));
  }

  advance(policies: readonly BucketPolicy[], micros: number): void {
    for (const policy of policies) {
      const debt = this.#debt(policy) - BigInt(micros) * BigInt(policy.quota);
      this.#debts.set(policy.name, debt > 0n ? debt : 0n);
    }
  }

  remaining(policy: BucketPolicy): number {
    return Number((capacity(policy) - this.#debt(policy)) / BigInt(policy.windowMicros));
  }

  #after(policy: BucketPolicy, requests: number): bigint {
    return this.#debt(policy) + BigInt(requests) * BigInt(policy.cost) * BigInt(policy.windowMicros);
  }

  #debt(policy: BucketPolicy): bigint {
    return this.#debts.get(policy.name) ?? 0n;
  }
}

function capacity(policy: BucketPolicy): bigint {
  return BigInt(policy.windowMicros) * BigInt(policy.quota);
}
