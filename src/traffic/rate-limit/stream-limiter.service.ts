import { Injectable } from '@nestjs/common';
import { ConcurrencyLimitedError } from '../../kernel/app-error.js';
import type { ClientAuth, UserAuth } from '../../kernel/auth-state.js';
import type { RateClass } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { holdUntilClosed } from './held-response.js';
import { type LeaseAnswer, LeasesService } from './leases.service.js';
import { MAX_CONCURRENT } from './limit-policy.js';
import { LimiterService } from './limiter.service.js';
import { isDegraded, setRateLimitHeaders } from './rate-limit.headers.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import type { Subject } from './rate-limits.repository.js';
import { RouteTable } from './route-table.service.js';

const RETRY_AFTER_SECONDS = 1;
const NO_CLASSES: readonly RateClass[] = [];

/**
 * How many streams of the LLM routes a client or user may have under way at once, over all replicas: the class `streams` of the
 * limits. It costs a stream one Redis call, and other requests nothing. Without Redis see `LeasesService`.
 */
@Injectable()
export class StreamLimiterService {
  /** Counted since start; `wouldHaveRefused` by a limit in shadow. */
  readonly stats = { refused: 0, wouldHaveRefused: 0 };
  #underWay = 0;

  constructor(
    private readonly policy: RateLimitPolicy,
    private readonly leases: LeasesService,
    private readonly limiter: LimiterService,
    private readonly routes: RouteTable,
  ) {}

  /** Streams counted now, in this process. */
  get underWay(): number {
    return this.#underWay;
  }

  /**
   * Counts a stream until its response is closed. To be called once the request is known to stream and nothing has been
   * written. Callers with only a provider token are counted by their address instead, and not here.
   *
   * @throws ConcurrencyLimitedError when the client has as many under way as it may; that one is not counted, and what
   *   it took from its buckets is given back.
   */
  async enter(request: HttpRequest, reply: HttpReply): Promise<void> {
    const state = request.identity?.state;
    if (state === undefined || state.kind === 'byot') return;
    const subject = limitedSubjectOf(state);
    const { concurrent, mode } = this.policy.effective('streams', state.tier, subject);
    if (concurrent === null) return;
    const answer = await this.leases.take(subject.id, concurrent);
    if (answer.granted) return this.#hold(answer, reply);
    if (mode === 'shadow') {
      this.stats.wouldHaveRefused += 1;
      return this.#hold(await this.leases.take(subject.id, MAX_CONCURRENT), reply);
    }
    this.stats.refused += 1;
    await this.#giveBack(state.tier, subject, request, reply);
    if (this.leases.degraded) reply.header('x-ratelimit-degraded', 'true');
    throw new ConcurrencyLimitedError(
      `At most ${answer.cap} streams of one ${subject.type} may be under way at once. Try again when one has ended.`,
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
    );
  }

  async #giveBack(tier: string, { type, id }: Subject, request: HttpRequest, reply: HttpReply): Promise<void> {
    const classes = this.routes.find(request.method, request.routeOptions.url ?? '')?.classes ?? NO_CLASSES;
    const buckets =
      type === 'user' ? this.policy.bucketsForUser(classes, tier, id) : this.policy.bucketsFor(classes, tier, id);
    const decision = buckets === null ? null : await this.limiter.giveBack(id, buckets, isDegraded(reply));
    if (decision !== null) setRateLimitHeaders(reply, decision);
  }

  #hold(answer: LeaseAnswer, reply: HttpReply): void {
    if (!answer.granted) return;
    this.#underWay += 1;
    holdUntilClosed(reply.raw, () => {
      this.#underWay -= 1;
      this.leases.release(answer.lease);
    });
  }
}

function limitedSubjectOf(state: ClientAuth | UserAuth): Subject {
  return state.kind === 'user' ? { type: 'user', id: state.userId } : { type: 'client', id: state.clientId };
}
