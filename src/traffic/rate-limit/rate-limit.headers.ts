import { RateLimitedError } from '../../kernel/app-error.js';
import type { HttpReply } from '../../platform/http/http-request.js';
import type { BucketSet } from './bucket-set.js';
import { decisionId } from './decision-id.js';
import type { Decision } from './limit-decision.js';

/** What a header is written from. */
type Spoken = Pick<Decision, 'allowed' | 'degraded' | 'tightest' | 'resetAt' | 'policyHeader'>;

/** What was decided on the address of a request, where that is limited, until it is decided on its client. */
const ofAddresses = new WeakMap<HttpReply, Spoken>();

/** As `setRateLimitHeaders`, of the buckets of an address: those of the client, if any, are joined to them later. */
export function setAddressLimitHeaders(reply: HttpReply, decision: Decision): void {
  ofAddresses.set(reply, decision);
  write(reply, decision);
}

/**
 * Writes a decision into the response's headers (draft-ietf-httpapi-ratelimit-headers, and the older `X-` names). The
 * numbers are those that were enforced: while Redis is away, this replica's share. Where all buckets are in shadow
 * there is nothing to say. Of the address's buckets and these the tightest speaks.
 */
export function setRateLimitHeaders(reply: HttpReply, decision: Decision): void {
  const ofAddress = ofAddresses.get(reply);
  write(reply, ofAddress === undefined ? decision : join(ofAddress, decision));
}

function join(first: Spoken, second: Spoken): Spoken {
  if (first.policyHeader === '' || second.policyHeader === '') return first.policyHeader === '' ? second : first;
  const { tightest, resetAt } = second.allowed && roomOf(first) < roomOf(second) ? first : second;
  return {
    allowed: second.allowed,
    degraded: first.degraded || second.degraded,
    tightest,
    resetAt,
    policyHeader: `${first.policyHeader}, ${second.policyHeader}`,
  };
}

/** Requests there is room for. */
function roomOf({ tightest }: Spoken): number {
  return Math.floor(tightest.remaining / tightest.cost);
}

function write(reply: HttpReply, { degraded, policyHeader, tightest, resetAt }: Spoken): void {
  if (degraded) reply.header('x-ratelimit-degraded', 'true');
  if (policyHeader === '') return;
  reply.header('x-ratelimit-limit', String(tightest.quota));
  reply.header('x-ratelimit-remaining', String(tightest.remaining));
  reply.header('x-ratelimit-reset', String(resetAt));
  reply.header('ratelimit-policy', policyHeader);
  reply.header('ratelimit', `"${tightest.name}";r=${tightest.remaining};t=${tightest.resetSeconds}`);
}

/** Lets a request on that was allowed. @throws RateLimitedError, whose decision the response then names. */
export function assertAllowed(reply: HttpReply, subject: string, buckets: BucketSet, decision: Decision): true {
  if (decision.allowed) return true;
  const id = decisionId(subject, buckets, decision);
  reply.header('x-ratelimit-decision', id);
  throw refusal(decision, id);
}

/** Whether the decision that these headers are of was made without Redis. */
export function isDegraded(reply: HttpReply): boolean {
  return reply.getHeader('x-ratelimit-degraded') === 'true';
}

/** The refusal that a decision amounts to: which limit, and when to come back. */
function refusal({ tightest }: Decision, decisionId: string): RateLimitedError {
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
