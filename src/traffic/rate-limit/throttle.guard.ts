import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { AccessService } from '../../identity/access/access.service.js';
import { PayloadTooLargeError } from '../../kernel/app-error.js';
import type { ClientAuth, CredentialFence, RequestIdentity, UserAuth } from '../../kernel/auth-state.js';
import { Settings } from '../../platform/config/settings.js';
import { bodyLimitOf } from '../../platform/http/body-limit.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import type { BucketSet } from './bucket-set.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import type { Decision } from './limit-decision.js';
import { LimiterService } from './limiter.service.js';
import { type Marked, RateClassMarks } from './rate-class-marks.js';
import { assertAllowed, setRateLimitHeaders } from './rate-limit.headers.js';
import { RateLimitPolicy } from './rate-limit.policy.js';

/** One request on its way through the guard. */
interface Passage {
  readonly handler: Marked;
  readonly controller: Marked;
  readonly request: HttpRequest;
  readonly reply: HttpReply;
}

/**
 * Last guard: holds our identities to their rate limits, and callers with only a provider token to a number of
 * requests under way. It makes the one Redis call of a warm request, which takes from all buckets, or none, and makes a
 * provisional identity certain: the handler never runs on one that was revoked before the request came.
 *
 * Without Redis the identity is confirmed from PostgreSQL and this process's buckets enforce its share of the limits.
 */
@Injectable()
export class ThrottleGuard implements CanActivate {
  readonly #marks = new RateClassMarks();

  constructor(
    private readonly access: AccessService,
    private readonly policy: RateLimitPolicy,
    private readonly limiter: LimiterService,
    private readonly concurrency: ConcurrencyLimiter,
    private readonly settings: Settings,
  ) {}

  /**
   * @throws PayloadTooLargeError for a body announced as too large, RateLimitedError, ConcurrencyLimitedError; with a provisional identity that did not hold also
   * InvalidApiKeyError, AuthUnavailableError or PermissionDeniedError, and then nothing was spent.
   */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const handler = context.getHandler();
    const controller = context.getClass();
    if (this.access.isPublic(handler, controller)) return true;
    const request = context.getArgByIndex<HttpRequest>(0);
    const { identity } = request;
    if (identity === null) return true;
    const announced = Number(request.raw.headers['content-length'] ?? 0);
    if (announced > 0) {
      const limit = bodyLimitOf(request, identity.state.kind, this.settings);
      if (announced > limit) return this.#refuseBody(identity, limit);
    }
    const passage: Passage = { handler, controller, request, reply: context.getArgByIndex<HttpReply>(1) };
    return identity.fence === null
      ? this.#throttle(passage, identity)
      : this.#throttleProvisional(passage, identity, identity.fence);
  }

  /** Here and not where bodies are read, so that it spends nothing. */
  async #refuseBody(identity: RequestIdentity, limit: number): Promise<never> {
    if (identity.fence !== null) await identity.confirm();
    throw new PayloadTooLargeError(limit);
  }

  #throttle(
    passage: Passage,
    { state }: RequestIdentity,
    withoutRedis = !this.limiter.shared,
  ): boolean | Promise<boolean> {
    if (state.kind === 'byot') {
      const entered = this.concurrency.enter(passage.request.record.address, passage.reply.raw);
      return entered === undefined ? true : entered.then(() => true);
    }
    const buckets = this.#bucketsOf(passage, state);
    if (buckets === null) return true;
    const subject = subjectIdOf(state);
    if (withoutRedis) return admit(passage, subject, buckets, this.limiter.takeLocally(subject, buckets));
    return this.limiter.take(subject, buckets).then((decision) => admit(passage, subject, buckets, decision));
  }

  async #throttleProvisional(passage: Passage, identity: RequestIdentity, fence: CredentialFence): Promise<boolean> {
    const { state } = identity;
    const buckets = state.kind === 'byot' ? null : this.#bucketsOf(passage, state);
    if (buckets === null || state.kind === 'byot') {
      return this.#throttle(passage, await this.#replace(passage, await identity.confirm()));
    }
    const subject = subjectIdOf(state);
    const decision = await this.limiter.takeFenced(fence, subject, buckets);
    if (typeof decision === 'object') return admit(passage, subject, buckets, decision);
    return this.#throttle(passage, this.#replace(passage, await identity.renew()), decision === 'unavailable');
  }

  /** Takes a newly certain identity over, and asks again whether it may be here: its scopes may have changed. */
  #replace({ handler, controller, request }: Passage, identity: RequestIdentity): RequestIdentity {
    request.identity = identity;
    this.access.assertAllowed(handler, controller, identity.state, request);
    return identity;
  }

  #bucketsOf({ handler, controller }: Passage, state: ClientAuth | UserAuth): BucketSet | null {
    const classes = this.#marks.of(handler, controller);
    return state.kind === 'user'
      ? this.policy.bucketsForUser(classes, state.tier, state.userId)
      : this.policy.bucketsFor(classes, state.tier, state.clientId);
  }
}

/** Whose buckets they are. The fence of an identity lies under the same hash tag. */
function subjectIdOf(state: ClientAuth | UserAuth): string {
  return state.kind === 'user' ? state.userId : state.clientId;
}

function admit({ reply }: Passage, subject: string, buckets: BucketSet, decision: Decision): true {
  setRateLimitHeaders(reply, decision);
  return assertAllowed(reply, subject, buckets, decision);
}
