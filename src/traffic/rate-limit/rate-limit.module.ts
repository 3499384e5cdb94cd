import { Module } from '@nestjs/common';
import { AccessModule } from '../../identity/access/access.module.js';
import { HealthModule } from '../../platform/health/health.module.js';
import { RedisModule } from '../../platform/redis/redis.module.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { LimiterService } from './limiter.service.js';
import { RateLimitMetrics } from './rate-limit.metrics.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import { ThrottleGuard } from './throttle.guard.js';

/** How often and how much at once: the limiters, and the guard that holds requests to them. */
@Module({
  imports: [RedisModule, AccessModule, HealthModule],
  providers: [RateLimitPolicy, LimiterService, ConcurrencyLimiter, ThrottleGuard, RateLimitMetrics],
  exports: [ThrottleGuard],
})
export class RateLimitModule {}
