import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../../identity/access/access.module.js';
import { ClientsModule } from '../../identity/clients/clients.module.js';
import { HealthModule } from '../../platform/health/health.module.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { RedisModule } from '../../platform/redis/redis.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { ExplainController } from './explain.controller.js';
import { ExplainService } from './explain.service.js';
import { LeasesService } from './leases.service.js';
import { LimiterService } from './limiter.service.js';
import { PolicyStore } from './policy-store.js';
import { RateLimitMetrics } from './rate-limit.metrics.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import { RateLimitOverrideEntity } from './rate-limit-override.entity.js';
import { RateLimitOverridesController } from './rate-limit-overrides.controller.js';
import { RateLimitPolicyEntity } from './rate-limit-policy.entity.js';
import { RateLimitsController } from './rate-limits.controller.js';
import { RateLimitsRepository } from './rate-limits.repository.js';
import { RateLimitsService } from './rate-limits.service.js';
import { RouteTable } from './route-table.service.js';
import { StreamLimiterService } from './stream-limiter.service.js';
import { ThrottleGuard } from './throttle.guard.js';

/** How often and how much at once: the limits as data, the limiters, and the guard that holds requests to them. */
@Module({
  imports: [
    TypeOrmModule.forFeature([RateLimitPolicyEntity, RateLimitOverrideEntity]),
    RedisModule,
    AccessModule,
    ClientsModule,
    HealthModule,
    JobsModule,
    ReplicasModule,
    AuditModule,
  ],
  controllers: [RateLimitsController, RateLimitOverridesController, ExplainController],
  providers: [
    RateLimitsRepository,
    PolicyStore,
    RateLimitPolicy,
    RateLimitsService,
    ExplainService,
    RouteTable,
    LimiterService,
    LeasesService,
    ConcurrencyLimiter,
    StreamLimiterService,
    ThrottleGuard,
    RateLimitMetrics,
  ],
  exports: [ThrottleGuard, StreamLimiterService, LimiterService, RateLimitPolicy],
})
export class RateLimitModule {}
