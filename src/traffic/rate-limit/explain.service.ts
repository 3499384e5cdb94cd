import { Injectable } from '@nestjs/common';
import { ClientsService } from '../../identity/clients/clients.service.js';
import { type FieldError, InvalidRequestError } from '../../kernel/app-error.js';
import { DEFAULT_TIER } from '../../platform/config/rate-limit-table.js';
import type { BucketSet } from './bucket-set.js';
import { decisionId } from './decision-id.js';
import { LeasesService } from './leases.service.js';
import type { Decision } from './limit-decision.js';
import type { LimitPolicy } from './limit-policy.js';
import { LimiterService } from './limiter.service.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import type { ExplainDto } from './rate-limits.dto.js';
import type { Subject } from './rate-limits.repository.js';
import { type KnownRoute, RouteTable } from './route-table.service.js';

/** What would be decided on some requests now, and why. */
export interface Explanation {
  readonly subject: Subject;
  readonly tier: string;
  readonly route: KnownRoute;
  readonly requests: number;
  /** Null where nothing is counted: the requests are let through. */
  readonly decided: {
    readonly id: string;
    readonly decision: Decision;
    readonly sources: readonly LimitPolicy[];
  } | null;
  readonly streams: { readonly policy: LimitPolicy; readonly underWay: number };
}

/**
 * Says what would be decided on a client's or user's requests, with no side effect: no bucket's value or expiry changes
 * and nothing is counted against the subject.
 */
@Injectable()
export class ExplainService {
  constructor(
    private readonly clients: ClientsService,
    private readonly policy: RateLimitPolicy,
    private readonly limiter: LimiterService,
    private readonly leases: LeasesService,
    private readonly routes: RouteTable,
  ) {}

  /**
   * @throws NotFoundError for a client that does not exist; InvalidRequestError for a route that is none, or when not
   *   exactly one of client and user is named. Rejects with the driver's error when PostgreSQL is away.
   */
  async explain({ client_id, user_id, route: asked, n = 1 }: ExplainDto): Promise<Explanation> {
    const [method = '', path = ''] = asked.split(' ');
    const route = this.routes.find(method, path.split('?', 1)[0] ?? '');
    const errors: FieldError[] = [];
    if (route === null) errors.push({ location: 'body.route', message: 'is not a route of this service' });
    if ((client_id === undefined) === (user_id === undefined))
      errors.push({ location: 'body', message: 'must name either client_id or user_id' });
    if (route === null || errors.length > 0) throw new InvalidRequestError(errors);
    const subject: Subject =
      client_id === undefined ? { type: 'user', id: user_id as string } : { type: 'client', id: client_id };
    const tier = subject.type === 'client' ? (await this.clients.get(subject.id)).tier : DEFAULT_TIER;
    const buckets = this.#bucketsOf(route, tier, subject);
    return {
      subject,
      tier,
      route,
      requests: n,
      decided: buckets === null ? null : await this.#decide(buckets, tier, subject, n),
      streams: {
        policy: this.policy.effective('streams', tier, subject),
        underWay: await this.leases.count(subject.id),
      },
    };
  }

  #bucketsOf({ classes }: KnownRoute, tier: string, { type, id }: Subject): BucketSet | null {
    return type === 'client'
      ? this.policy.bucketsFor(classes, tier, id)
      : this.policy.bucketsForUser(classes, tier, id);
  }

  async #decide(buckets: BucketSet, tier: string, subject: Subject, requests: number) {
    const decision = await this.limiter.foresee(subject.id, buckets, requests);
    const sources = decision.buckets.map((bucket) => this.policy.effective(bucket.class, tier, subject));
    return { id: decisionId(subject.id, buckets, decision), decision, sources };
  }
}
