import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ChangeEntity } from './change.entity.js';
import { ChangeReceiptEntity } from './change-receipt.entity.js';
import { ChangeReceipts } from './change-receipts.service.js';
import { DatabaseClock } from './database-clock.js';
import { ReplicaEntity } from './replica.entity.js';
import { ReplicaLine } from './replica-line.repository.js';
import { ReplicaRegistry } from './replica-registry.service.js';
import { ReplicasRepository } from './replicas.repository.js';

/** What a process that serves nobody, such as the command line, needs of the replicas: to wait for their receipts. */
@Module({
  imports: [TypeOrmModule.forFeature([ReplicaEntity, ChangeEntity, ChangeReceiptEntity])],
  providers: [DatabaseClock, ReplicaLine, ReplicaRegistry, ReplicasRepository, ChangeReceipts],
  exports: [DatabaseClock, ReplicaLine, ReplicaRegistry, ReplicasRepository, ChangeReceipts],
})
export class ReplicaReceiptsModule {}
