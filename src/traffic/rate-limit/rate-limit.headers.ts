import { RateLimitedError } from '../../kernel/app-error.js';
import type { HttpReply } from '../../platform/http/http-request.js';
import type { BucketSet } from './bucket-set.js';
import type { Decision } from './limit-decision.js';

/** Writes a decision into the response's headers (draft-ietf-httpapi-ratelimit-headers, and the older `X-` names). */
export function setRateLimitHeaders(reply: HttpReply, buckets: BucketSet, decision: Decision): void {
  const { tightest } = decision;
  reply.header('x-ratelimit-limit', String(tightest.quota));
  reply.header('x-ratelimit-remaining', String(tightest.remaining));
  reply.header('x-ratelimit-reset', String(decision.resetAt));
  reply.header('ratelimit-policy', buckets.policyHeader);
  reply.header('ratelimit', `"${tightest.class}";r=${tightest.remaining};t=${tightest.resetSeconds}`);
  if (decision.degraded) reply.header('x-ratelimit-degraded', 'true');
}

/** The refusal that a decision amounts to: which limit, and when to come back. */
export function refusal({ tightest }: Decision): RateLimitedError {
  const retryAfter = Math.max(tightest.resetSeconds, 1);
  return new RateLimitedError(
    `The limit "${tightest.class}" of ${count(tightest.quota, 'request')} per ${count(tightest.windowSeconds, 'second')} is used up. ` +
      `Try again in ${count(retryAfter, 'second')}.`,
    retryAfter,
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
