import type { BucketPolicy } from '../../src/traffic/rate-limit/bucket-policy.js';

/**
 * What a set of token buckets must do, in exact integers and nothing like the code under test: a bucket's debt is kept
 * in quota-ths of a microsecond, in which a unit costs the window and a microsecond pays back the quota.
 */
export class BucketModel {
  readonly #debts = new Map<string, bigint>();

  take(policies: readonly BucketPolicy[], cost: number): boolean {
    const after = policies.map((policy) => this.#debt(policy) + BigInt(cost) * BigInt(policy.windowMicros));
    if (after.some((debt, index) => debt > capacity(policies[index] as BucketPolicy))) return false;
    for (const [index, policy] of policies.entries()) this.#debts.set(policy.rateClass, after[index] as bigint);
    return true;
  }

  advance(policies: readonly BucketPolicy[], micros: number): void {
    for (const policy of policies) {
      const debt = this.#debt(policy) - BigInt(micros) * BigInt(policy.quota);
      this.#debts.set(policy.rateClass, debt > 0n ? debt : 0n);
    }
  }

  remaining(policy: BucketPolicy): number {
    return Number((capacity(policy) - this.#debt(policy)) / BigInt(policy.windowMicros));
  }

  #debt(policy: BucketPolicy): bigint {
    return this.#debts.get(policy.rateClass) ?? 0n;
  }
}

function capacity(policy: BucketPolicy): bigint {
  return BigInt(policy.windowMicros) * BigInt(policy.quota);
}
