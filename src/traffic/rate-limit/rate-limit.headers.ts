import { RateLimitedError } from '../../kernel/app-error.js';
import type { HttpReply } from '../../platform/http/http-request.js';
import type { Decision } from './limit-decision.js';

/**
 * Writes a decision into the response's headers (draft-ietf-httpapi-ratelimit-headers, and the older `X-` names). The
 * numbers are those that were enforced: while Redis is away, this replica's share. Where all buckets are in shadow
 * there is nothing to say.
 */
export function setRateLimitHeaders(reply: HttpReply, decision: Decision): void {
  if (decision.degraded) reply.header('x-ratelimit-degraded', 'true');
  if (decision.policyHeader === '') return;
  const { tightest } = decision;
  reply.header('x-ratelimit-limit', String(tightest.quota));
  reply.header('x-ratelimit-remaining', String(tightest.remaining));
  reply.header('x-ratelimit-reset', String(decision.resetAt));
  reply.header('ratelimit-policy', decision.policyHeader);
  reply.header('ratelimit', `"${tightest.name}";r=${tightest.remaining};t=${tightest.resetSeconds}`);
}

/** Whether the decision that these headers are of was made without Redis. */
export function isDegraded(reply: HttpReply): boolean {
  return reply.getHeader('x-ratelimit-degraded') === 'true';
}

/** The refusal that a decision amounts to: which limit, and when to come back. */
export function refusal({ tightest }: Decision, decisionId: string): RateLimitedError {
  const retryAfter = Math.max(tightest.resetSeconds, 1);
  const noun = tightest.cost === 1 ? 'request' : 'unit';
  const price = tightest.cost === 1 ? '' : `, of which this request takes ${tightest.cost},`;
  return new RateLimitedError(
    `The limit "${tightest.name}" of ${count(tightest.quota, noun)} per ${count(tightest.windowSeconds, 'second')}${price} is used up. ` +
      `Try again in ${count(retryAfter, 'second')}.`,
    retryAfter,
    decisionId,
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
