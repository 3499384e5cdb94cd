import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { LimiterService } from './limiter.service.js';

/** What the limiters count, for `/metrics`. */
@Injectable()
export class RateLimitMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly limiter: LimiterService,
    private readonly concurrency: ConcurrencyLimiter,
  ) {}

  onModuleInit(): void {
    const { metrics, concurrency } = this;
    const { stats } = this.limiter;
    metrics.counter('rate_limit_allowed_total', 'Requests that fitted their buckets.', () => stats.allowed);
    metrics.counter(
      'rate_limit_refused_total',
      'Requests refused, by the class of the bucket that lacked units.',
      () => ({ ...stats.refused }),
      'class',
    );
    metrics.counter(
      'rate_limit_degraded_total',
      'Decisions made in this process because Redis was away.',
      () => stats.degraded,
    );
    metrics.counter(
      'rate_limit_fences_lost_total',
      'Requests whose remembered credential had to be checked anew.',
      () => stats.fencesLost,
    );
    metrics.counter(
      'byot_concurrency_refused_total',
      'Requests with a provider token alone, refused for too many under way from one address.',
      () => concurrency.stats.refused,
    );
    metrics.gauge('byot_under_way', 'Requests with a provider token alone under way.', () => concurrency.underWay);
  }
}
