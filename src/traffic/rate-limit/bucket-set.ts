import { redisKey } from '../../platform/redis/redis-key.js';
import type { BucketPolicy } from './bucket-policy.js';
import { takeArguments } from './token-bucket.script.js';

/** The buckets one kind of request is counted in, with all that can be worked out before the request comes. */
export class BucketSet {
  /** `RateLimit-Policy` of every enforced bucket; empty when all of them are in shadow. */
  readonly policyHeader: string;
  readonly #oneRequest: readonly number[];
  /** The buckets that are enforced, or null where all are in shadow. */
  readonly enforced: BucketSet | null;
  #share: { readonly replicas: number; readonly set: BucketSet } | null = null;

  /** @param policies one per name at most, and at least one. */
  constructor(readonly policies: readonly BucketPolicy[]) {
    const enforced = policies.filter((policy) => !policy.shadow);
    if (enforced.length === policies.length) this.enforced = this;
    else this.enforced = enforced.length === 0 ? null : new BucketSet(enforced);
    this.policyHeader = enforced.map((policy) => policy.header).join(', ');
    this.#oneRequest = takeArguments(policies, 1);
  }

  /** The arguments of the script for so many requests at once. */
  argumentsFor(requests: number): readonly number[] {
    return requests === 1 ? this.#oneRequest : takeArguments(this.policies, requests);
  }

  keysOf(subject: string): string[] {
    return this.policies.map((policy) => redisKey.bucket(subject, policy.name));
  }

  /** What one of `replicas` may let through by itself while they cannot share (see `BucketPolicy.share`). */
  share(replicas: number): BucketSet {
    if (replicas === 1) return this;
    if (this.#share?.replicas !== replicas)
      this.#share = { replicas, set: new BucketSet(this.policies.map((policy) => policy.share(replicas))) };
    return this.#share.set;
  }
}
