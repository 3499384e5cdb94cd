import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConfigModule } from '../../platform/config/config.module.js';
import type { Settings } from '../../platform/config/settings.js';
import { servingOptions } from '../../platform/database/data-source.js';
import { Transactions } from '../../platform/database/transactions.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { MailService } from '../../platform/mail/mail.service.js';
import { MailOutboxRepository } from '../../platform/mail/mail-outbox.repository.js';
import { ReplicaReceiptsModule } from '../../platform/replicas/replica-receipts.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { AdministratorsModule } from '../access/administrators/administrators.module.js';
import { HashingModule } from '../hashing/hashing.module.js';
import { Founding } from './founding.service.js';
import { OneTimeTokenEntity } from './one-time-token.entity.js';
import { OneTimeTokensRepository } from './one-time-tokens.repository.js';
import { OneTimeTokens } from './one-time-tokens.service.js';
import { PasswordPolicy } from './password-policy.js';
import { PasswordStrengthService } from './password-strength.service.js';
import { PasswordsService } from './passwords.service.js';
import { UserEntity } from './user.entity.js';
import { UserLifecycle } from './user-lifecycle.service.js';
import { UserPasswordsRepository } from './user-passwords.repository.js';
import { UsersRepository } from './users.repository.js';
import { UsersService } from './users.service.js';
import { UsersCommandService } from './users-command.service.js';

/** The smallest number of connections that the settings allow; commands run one after the other. */
const CONNECTIONS = 2;

/** What making users from the command line needs: PostgreSQL, and nothing that serves. */
@Module({})
export class UsersCommandModule {
  /** PostgreSQL is tried once: whoever typed the command is waiting. */
  static for(settings: Settings): DynamicModule {
    return {
      module: UsersCommandModule,
      imports: [
        ConfigModule.for(settings),
        TypeOrmModule.forRoot({
          ...servingOptions(settings.DATABASE_URL, CONNECTIONS),
          autoLoadEntities: true,
          retryAttempts: 1,
        }),
        TypeOrmModule.forFeature([UserEntity, OneTimeTokenEntity]),
        ReplicaReceiptsModule,
        JobsModule,
        AuditModule,
        AdministratorsModule,
        HashingModule,
      ],
      providers: [
        Transactions,
        MailService,
        MailOutboxRepository,
        UsersRepository,
        UsersService,
        UserPasswordsRepository,
        UserLifecycle,
        PasswordsService,
        PasswordPolicy,
        PasswordStrengthService,
        OneTimeTokens,
        OneTimeTokensRepository,
        Founding,
        UsersCommandService,
      ],
      exports: [UsersCommandService],
    };
  }
}
