import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { AccessTokensService } from './access-tokens.service.js';
import { SigningKeyEntity } from './signing-key.entity.js';
import { SigningKeyRotation } from './signing-key-rotation.js';
import { SigningKeySchedule } from './signing-key-schedule.js';
import { SigningKeySeal } from './signing-key-seal.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { SigningKeys } from './signing-keys.service.js';

/** Tokens: the keys that sign them, how they are made, read, renewed and revoked. */
@Module({
  imports: [TypeOrmModule.forFeature([SigningKeyEntity]), DatabaseModule, ReplicasModule, JobsModule, AuditModule],
  providers: [
    SigningKeySeal,
    SigningKeysRepository,
    SigningKeys,
    SigningKeyRotation,
    SigningKeySchedule,
    AccessTokensService,
  ],
  exports: [AccessTokensService],
})
export class TokensModule {}
