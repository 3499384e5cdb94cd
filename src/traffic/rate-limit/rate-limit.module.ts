import { Module } from '@nestjs/common';
import { AccessModule } from '../../identity/access/access.module.js';
import { RedisModule } from '../../platform/redis/redis.module.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { LimiterService } from './limiter.service.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import { ThrottleGuard } from './throttle.guard.js';

/** How often and how much at once: the limiter, and the guard that holds requests to it. */
@Module({
  imports: [RedisModule, AccessModule],
  providers: [RateLimitPolicy, LimiterService, ConcurrencyLimiter, ThrottleGuard],
  exports: [LimiterService, ConcurrencyLimiter, ThrottleGuard],
})
export class RateLimitModule {}
