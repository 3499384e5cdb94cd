import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { HealthModule } from '../../../platform/health/health.module.js';
import { HttpModule } from '../../../platform/http/http.module.js';
import { JobsModule } from '../../../platform/jobs/jobs.module.js';
import { RedisModule } from '../../../platform/redis/redis.module.js';
import { ReplicasModule } from '../../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../../records/audit/audit.module.js';
import { RateLimitModule } from '../rate-limit.module.js';
import { ActiveIpRules } from './active-ip-rules.service.js';
import { AutomaticBlocksRepository } from './automatic-blocks.repository.js';
import { AutomaticBlocks } from './automatic-blocks.service.js';
import { FailureBudgets } from './failure-budgets.service.js';
import { IpGateGuard } from './ip-gate.guard.js';
import { IpGateMetrics } from './ip-gate.metrics.js';
import { IpGate } from './ip-gate.service.js';
import { IpRuleEntity } from './ip-rule.entity.js';
import { IpRulesController } from './ip-rules.controller.js';
import { IpRulesRepository } from './ip-rules.repository.js';
import { IpRulesService } from './ip-rules.service.js';
import { OffenceTally } from './offence-tally.service.js';

/** The gate before anyone is known: who may come at all, and how often somebody may guess. */
@Module({
  imports: [
    TypeOrmModule.forFeature([IpRuleEntity]),
    RedisModule,
    ReplicasModule,
    JobsModule,
    HttpModule,
    HealthModule,
    AuditModule,
    RateLimitModule,
  ],
  controllers: [IpRulesController],
  providers: [
    IpRulesRepository,
    IpRulesService,
    ActiveIpRules,
    IpGate,
    AutomaticBlocksRepository,
    AutomaticBlocks,
    OffenceTally,
    FailureBudgets,
    IpGateGuard,
    IpGateMetrics,
  ],
  exports: [IpGateGuard],
})
export class IpGateModule {}
