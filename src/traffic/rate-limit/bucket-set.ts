import { redisKey } from '../../platform/redis/redis-key.js';
import type { BucketPolicy } from './bucket-policy.js';
import { takeArguments } from './token-bucket.script.js';

/** The buckets one kind of request is counted in, with all that can be worked out before the request comes. */
export class BucketSet {
  /** `RateLimit-Policy` of every bucket. */
  readonly policyHeader: string;
  readonly #unitArguments: readonly number[];

  /** @param policies one per class at most, and at least one. */
  constructor(readonly policies: readonly BucketPolicy[]) {
    this.policyHeader = policies.map((policy) => policy.header).join(', ');
    this.#unitArguments = takeArguments(policies, 1);
  }

  argumentsFor(cost: number): readonly number[] {
    return cost === 1 ? this.#unitArguments : takeArguments(this.policies, cost);
  }

  keysOf(subject: string): string[] {
    return this.policies.map((policy) => redisKey.bucket(subject, policy.rateClass));
  }
}
