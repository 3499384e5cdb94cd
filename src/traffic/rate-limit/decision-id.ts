import { hash } from 'node:crypto';
import type { BucketSet } from './bucket-set.js';
import type { Decision } from './limit-decision.js';

const ID_DIGITS = 24;

/**
 * Names a decision: the same for the same subject, the same buckets under the same state of their policies, and the
 * same ones of them lacking units; another as soon as one of these differs. So an explanation asked for later matches
 * the refusal it is about, on any replica, for as long as the reason stands. Nothing but the id can be read from it.
 *
 * @param set the buckets as their policies say, not a share of them.
 */
export function decisionId(subject: string, set: BucketSet, decision: Decision): string {
  const buckets = set.policies.map((policy, index) => {
    const { lacking } = decision.buckets[index] as Decision['buckets'][number];
    const refuses = lacking && !policy.shadow;
    return [policy.name, policy.quota, policy.windowSeconds, policy.cost, policy.shadow, policy.origin, refuses];
  });
  return `rld_${hash('sha256', JSON.stringify([subject, buckets]), 'hex').slice(0, ID_DIGITS)}`;
}
