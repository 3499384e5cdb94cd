import { Module } from '@nestjs/common';
import { HealthModule } from '../health/health.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { ChangeFeed } from './change-feed.service.js';
import { ReplicaMetrics } from './replica-metrics.js';
import { ReplicaReceiptsModule } from './replica-receipts.module.js';

/** The replicas among themselves: who lives, what changed, and who has heard of it. Makes this process one of them. */
@Module({
  imports: [ReplicaReceiptsModule, JobsModule, HealthModule],
  providers: [ChangeFeed, ReplicaMetrics],
  exports: [ReplicaReceiptsModule, ChangeFeed],
})
export class ReplicasModule {}
