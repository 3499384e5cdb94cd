import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { ReadinessService } from '../../platform/health/readiness.service.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { LeasesService } from './leases.service.js';
import { LimiterService } from './limiter.service.js';
import { PolicyStore } from './policy-store.js';
import { StreamLimiterService } from './stream-limiter.service.js';

/** What the limiters count, for `/metrics`, and whether they are degraded, for `/health/ready`. */
@Injectable()
export class RateLimitMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly readiness: ReadinessService,
    private readonly limiter: LimiterService,
    private readonly concurrency: ConcurrencyLimiter,
    private readonly streams: StreamLimiterService,
    private readonly leases: LeasesService,
    private readonly store: PolicyStore,
  ) {}

  onModuleInit(): void {
    this.readiness.register('rate_limits', () => (this.limiter.degraded ? 'degraded' : 'up'));
    this.#registerBuckets();
    this.#registerConcurrency();
  }

  #registerBuckets(): void {
    const { metrics, limiter, store } = this;
    const { stats } = limiter;
    metrics.counter('rate_limit_allowed_total', 'Requests that fitted their buckets.', () => stats.allowed);
    metrics.counter(
      'rate_limit_refused_total',
      'Requests refused, by the class of the bucket that lacked units.',
      () => ({ ...stats.refused }),
      'class',
    );
    metrics.counter(
      'rate_limit_would_have_refused_total',
      'Requests let through that a limit in shadow would have refused, by its class.',
      () => ({ ...stats.wouldHaveRefused, streams: this.streams.stats.wouldHaveRefused }),
      'class',
    );
    metrics.counter(
      'rate_limit_degraded_total',
      'Decisions made in this process because Redis was away.',
      () => stats.degraded,
    );
    metrics.gauge(
      'rate_limits_degraded',
      '1 while this process enforces its share of the limits because Redis is away.',
      () => (limiter.degraded ? 1 : 0),
    );
    metrics.counter(
      'rate_limit_fences_lost_total',
      'Requests whose remembered credential had to be checked anew.',
      () => stats.fencesLost,
    );
    metrics.gauge('rate_limit_overridden_subjects', 'Clients and users with overrides.', () => store.overridden);
    metrics.gauge(
      'rate_limit_rows_skipped',
      'Rows of policies and overrides that are not valid and are passed over.',
      () => store.skipped,
    );
  }

  #registerConcurrency(): void {
    const { metrics, concurrency, streams, leases } = this;
    metrics.counter(
      'byot_concurrency_refused_total',
      'Requests with a provider token alone, refused for too many under way from one address.',
      () => concurrency.stats.refused,
    );
    metrics.gauge('byot_under_way', 'Requests with a provider token alone under way.', () => concurrency.underWay);
    metrics.counter(
      'streams_refused_total',
      'Streams refused for too many of their client under way.',
      () => streams.stats.refused,
    );
    metrics.gauge('streams_under_way', 'Streams of clients under way in this process.', () => streams.underWay);
    metrics.counter(
      'lease_renewals_failed_total',
      'Renewals of the leases of requests under way that Redis did not answer.',
      () => leases.stats.renewalsFailed,
    );
  }
}
