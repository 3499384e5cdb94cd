import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { ConfigModule } from '../../platform/config/config.module.js';
import type { Settings } from '../../platform/config/settings.js';
import { servingOptions } from '../../platform/database/data-source.js';
import { ReadDatabase } from '../../platform/database/read-database.js';
import { Transactions } from '../../platform/database/transactions.js';
import { RedisModule } from '../../platform/redis/redis.module.js';
import { ReplicaReceiptsModule } from '../../platform/replicas/replica-receipts.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { HashingModule } from '../hashing/hashing.module.js';
import { UserTableModule } from '../users/user-table.module.js';
import { ClientEntity } from './client.entity.js';
import { ClientSecretEntity } from './client-secret.entity.js';
import { ClientsRepository } from './clients.repository.js';
import { ClientsService } from './clients.service.js';
import { ClientsCommandService } from './clients-command.service.js';
import { ClientsListRepository } from './clients-list.repository.js';
import { ClientsListService } from './clients-list.service.js';
import { CredentialCache } from './credential-cache.js';
import { CredentialFenceEntity } from './credential-fence.entity.js';
import { CredentialSeal } from './credential-seal.js';
import { Revocations } from './revocations.js';

/** The smallest number of connections that the settings allow; commands run one after the other. */
const CONNECTIONS = 2;

/** What managing clients from the command line needs: PostgreSQL, Redis if there is one, and nothing that serves. */
@Module({})
export class ClientsCommandModule {
  /** PostgreSQL is tried once: whoever typed the command is waiting. */
  static for(settings: Settings): DynamicModule {
    return {
      module: ClientsCommandModule,
      imports: [
        ConfigModule.for(settings),
        TypeOrmModule.forRoot({
          ...servingOptions(settings.DATABASE_URL, CONNECTIONS),
          autoLoadEntities: true,
          retryAttempts: 1,
        }),
        TypeOrmModule.forFeature([ClientEntity, ClientSecretEntity, CredentialFenceEntity]),
        UserTableModule,
        RedisModule,
        ReplicaReceiptsModule,
        AuditModule,
        HashingModule,
      ],
      providers: [
        Transactions,
        ClientsRepository,
        ClientsService,
        ClientsListRepository,
        ClientsListService,
        // Whoever has just typed `create` is to find it in `list`: not from a replica that lags.
        {
          provide: ReadDatabase,
          inject: [DataSource],
          useFactory: (primary: DataSource) => new ReadDatabase({ ...settings, DATABASE_READ_URL: undefined }, primary),
        },
        ClientsCommandService,
        CredentialSeal,
        CredentialCache,
        Revocations,
      ],
      exports: [ClientsCommandService],
    };
  }
}
