import { Module, type OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { HealthModule } from '../../platform/health/health.module.js';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { AccessModule } from '../access/access.module.js';
import { ClientsModule } from '../clients/clients.module.js';
import { PrincipalsModule } from '../principals/principals.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AccessTokensService } from './access-tokens.service.js';
import { ClientGrantService } from './client-grant.service.js';
import { ExpiredTokens } from './expired-tokens.service.js';
import { IntrospectionService } from './introspection.service.js';
import { OAuthController } from './oauth.controller.js';
import { RefreshService } from './refresh.service.js';
import { RefreshEffects } from './refresh-effects.js';
import { RefreshFamilies } from './refresh-families.service.js';
import { RefreshFamilyEntity } from './refresh-family.entity.js';
import { RefreshTokenEntity } from './refresh-token.entity.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';
import { RefreshTokensRepository } from './refresh-tokens.repository.js';
import { RevokedTokenEntity } from './revoked-token.entity.js';
import { SigningKeyEntity } from './signing-key.entity.js';
import { SigningKeyRotation } from './signing-key-rotation.js';
import { SigningKeySchedule } from './signing-key-schedule.js';
import { SigningKeySeal } from './signing-key-seal.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { SigningKeys } from './signing-keys.service.js';
import { TokenChanges } from './token-changes.js';
import { TokenEpochEntity } from './token-epoch.entity.js';
import { TokenEpochsService } from './token-epochs.service.js';
import { TokenRevocationsRepository } from './token-revocations.repository.js';
import { TokenRevocationsService } from './token-revocations.service.js';
import { TokenStanding } from './token-standing.service.js';
import { TokensController } from './tokens.controller.js';
import { TokensService } from './tokens.service.js';

/** Tokens: the keys that sign them, how they are made, read, renewed and revoked. */
@Module({
  imports: [
    TypeOrmModule.forFeature([
      SigningKeyEntity,
      RefreshFamilyEntity,
      RefreshTokenEntity,
      RevokedTokenEntity,
      TokenEpochEntity,
    ]),
    DatabaseModule,
    HealthModule,
    ReplicasModule,
    JobsModule,
    AuditModule,
    PrincipalsModule,
    AccessModule,
    SessionsModule,
    ClientsModule,
  ],
  controllers: [TokensController, OAuthController],
  providers: [
    SigningKeySeal,
    SigningKeysRepository,
    SigningKeys,
    SigningKeyRotation,
    SigningKeySchedule,
    AccessTokensService,
    RefreshTokenCodec,
    RefreshTokensRepository,
    RefreshFamilies,
    RefreshEffects,
    RefreshService,
    TokensService,
    TokenChanges,
    TokenRevocationsRepository,
    TokenRevocationsService,
    TokenEpochsService,
    TokenStanding,
    IntrospectionService,
    ClientGrantService,
    ExpiredTokens,
  ],
  exports: [AccessTokensService, TokensService],
})
export class TokensModule implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly access: AccessTokensService,
    private readonly refreshes: RefreshEffects,
    private readonly keys: SigningKeys,
  ) {}

  onModuleInit(): void {
    const { metrics, access, refreshes, keys } = this;
    metrics.counter('access_tokens_total', 'Access tokens by how they were read.', () => ({ ...access.stats }), 'read');
    metrics.counter(
      'refreshes_total',
      'Refresh tokens by what became of them.',
      () => ({ ...refreshes.stats }),
      'outcome',
    );
    metrics.gauge('signing_keys', 'Keys that verify access tokens here, or will.', () => keys.published().length);
  }
}
