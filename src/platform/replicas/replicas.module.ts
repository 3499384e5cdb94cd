import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { JobsModule } from '../jobs/jobs.module.js';
import { ChangeEntity } from './change.entity.js';
import { ChangeFeed } from './change-feed.service.js';
import { ChangeReceiptEntity } from './change-receipt.entity.js';
import { ChangeReceipts } from './change-receipts.service.js';
import { DatabaseClock } from './database-clock.js';
import { ReplicaEntity } from './replica.entity.js';
import { ReplicaLine } from './replica-line.repository.js';
import { ReplicaRegistry } from './replica-registry.service.js';
import { ReplicasRepository } from './replicas.repository.js';

/** The replicas among themselves: who lives, what changed, and who has heard of it. */
@Module({
  imports: [TypeOrmModule.forFeature([ReplicaEntity, ChangeEntity, ChangeReceiptEntity]), JobsModule],
  providers: [DatabaseClock, ReplicaLine, ReplicaRegistry, ReplicasRepository, ChangeReceipts, ChangeFeed],
  exports: [DatabaseClock, ReplicaRegistry, ChangeReceipts, ChangeFeed],
})
export class ReplicasModule {}
