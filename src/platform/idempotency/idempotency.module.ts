import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../database/database.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { ReplicasModule } from '../replicas/replicas.module.js';
import { AnswerSeal } from './answer-seal.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { IdempotencyService } from './idempotency.service.js';
import { IdempotencyKeyEntity } from './idempotency-key.entity.js';

/** What must not be made twice when a caller asks twice. */
@Module({
  imports: [TypeOrmModule.forFeature([IdempotencyKeyEntity]), DatabaseModule, JobsModule, ReplicasModule],
  providers: [IdempotencyService, IdempotencyRepository, AnswerSeal],
  exports: [IdempotencyService],
})
export class IdempotencyModule {}
