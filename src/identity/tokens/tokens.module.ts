import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { AccessTokensService } from './access-tokens.service.js';
import { RefreshFamilyEntity } from './refresh-family.entity.js';
import { RefreshTokenEntity } from './refresh-token.entity.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';
import { RefreshTokensRepository } from './refresh-tokens.repository.js';
import { SigningKeyEntity } from './signing-key.entity.js';
import { SigningKeyRotation } from './signing-key-rotation.js';
import { SigningKeySchedule } from './signing-key-schedule.js';
import { SigningKeySeal } from './signing-key-seal.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { SigningKeys } from './signing-keys.service.js';
import { TokensService } from './tokens.service.js';

/** Tokens: the keys that sign them, how they are made, read, renewed and revoked. */
@Module({
  imports: [
    TypeOrmModule.forFeature([SigningKeyEntity, RefreshFamilyEntity, RefreshTokenEntity]),
    DatabaseModule,
    ReplicasModule,
    JobsModule,
    AuditModule,
  ],
  providers: [
    SigningKeySeal,
    SigningKeysRepository,
    SigningKeys,
    SigningKeyRotation,
    SigningKeySchedule,
    AccessTokensService,
    RefreshTokenCodec,
    RefreshTokensRepository,
    TokensService,
  ],
  exports: [AccessTokensService, TokensService],
})
export class TokensModule {}
