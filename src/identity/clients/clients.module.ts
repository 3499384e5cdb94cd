import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { HealthModule } from '../../platform/health/health.module.js';
import { IdempotencyModule } from '../../platform/idempotency/idempotency.module.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { RedisModule } from '../../platform/redis/redis.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { ApiLogModule } from '../../records/api-log/api-log.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { AccessModule } from '../access/access.module.js';
import { HashingModule } from '../hashing/hashing.module.js';
import { PrincipalsModule } from '../principals/principals.module.js';
import { UsersModule } from '../users/users.module.js';
import { ApiKeySecretsController } from './api-key-secrets.controller.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysService } from './api-keys.service.js';
import { ClientEntity } from './client.entity.js';
import { ClientAnswers } from './client-answers.js';
import { ClientOwnersController } from './client-owners.controller.js';
import { ClientOwnersRepository } from './client-owners.repository.js';
import { ClientOwnersService } from './client-owners.service.js';
import { ClientRecall } from './client-recall.service.js';
import { ClientSecretEntity } from './client-secret.entity.js';
import { ClientSecretsController } from './client-secrets.controller.js';
import { ClientSecretsRepository } from './client-secrets.repository.js';
import { ClientSecretsService } from './client-secrets.service.js';
import { ClientTokensRepository } from './client-tokens.repository.js';
import { ClientTokensService } from './client-tokens.service.js';
import { ClientUsageController } from './client-usage.controller.js';
import { ClientUsageService } from './client-usage.service.js';
import { ClientsController } from './clients.controller.js';
import { ClientsRepository } from './clients.repository.js';
import { ClientsService } from './clients.service.js';
import { ClientsListRepository } from './clients-list.repository.js';
import { ClientsListService } from './clients-list.service.js';
import { CredentialService } from './credential.service.js';
import { CredentialCache } from './credential-cache.js';
import { CredentialChanges } from './credential-changes.js';
import { CredentialFenceEntity } from './credential-fence.entity.js';
import { CredentialMetrics } from './credential-metrics.js';
import { CredentialReader } from './credential-reader.js';
import { CredentialSeal } from './credential-seal.js';
import { ExpiryWarningEntity } from './expiry-warning.entity.js';
import { ExpiryWarningsRepository } from './expiry-warnings.repository.js';
import { ExpiryWarnings } from './expiry-warnings.service.js';
import { FenceCarrier } from './fence-carrier.js';
import { Grantors } from './grantors.js';
import { LeakedKeysController } from './leaked-keys.controller.js';
import { LeakedKeysRepository } from './leaked-keys.repository.js';
import { LeakedKeysService } from './leaked-keys.service.js';
import { OwnerDepartures } from './owner-departures.js';
import { Revocations } from './revocations.js';
import { SecretEnds } from './secret-ends.service.js';
import { SecretMatcher } from './secret-matcher.js';
import { SecretUses } from './secret-uses.js';
import { SecretUsesRepository } from './secret-uses.repository.js';

/** Clients and their credentials: how they are managed, and how they are checked. */
@Module({
  imports: [
    TypeOrmModule.forFeature([ClientEntity, ClientSecretEntity, CredentialFenceEntity, ExpiryWarningEntity]),
    UsersModule,
    PrincipalsModule,
    AccessModule,
    DatabaseModule,
    RedisModule,
    ReplicasModule,
    AuditModule,
    ApiLogModule,
    IdempotencyModule,
    JobsModule,
    HealthModule,
    HashingModule,
  ],
  controllers: [
    ClientsController,
    ClientSecretsController,
    ClientOwnersController,
    ClientUsageController,
    ApiKeysController,
    ApiKeySecretsController,
    LeakedKeysController,
  ],
  providers: [
    ClientsRepository,
    ClientsService,
    ClientsListRepository,
    ClientsListService,
    CredentialSeal,
    CredentialCache,
    CredentialReader,
    SecretMatcher,
    CredentialService,
    ClientRecall,
    FenceCarrier,
    CredentialMetrics,
    Revocations,
    CredentialChanges,
    SecretUses,
    SecretUsesRepository,
    ClientSecretsRepository,
    ClientSecretsService,
    ClientOwnersRepository,
    ClientOwnersService,
    ClientUsageService,
    ClientTokensRepository,
    ClientTokensService,
    ClientAnswers,
    Grantors,
    ApiKeysService,
    OwnerDepartures,
    LeakedKeysRepository,
    LeakedKeysService,
    SecretEnds,
    ExpiryWarnings,
    ExpiryWarningsRepository,
  ],
  exports: [ClientsService, ClientTokensService, CredentialService, ClientRecall, ApiKeysService],
})
export class ClientsModule {}
