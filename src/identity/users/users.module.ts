import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { MailModule } from '../../platform/mail/mail.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { AccessModule } from '../access/access.module.js';
import { HashingModule } from '../hashing/hashing.module.js';
import { PrincipalsModule } from '../principals/principals.module.js';
import { AccountsController } from './accounts.controller.js';
import { BootstrapAdministrator } from './bootstrap-administrator.js';
import { EmailChanges } from './email-changes.service.js';
import { Founding } from './founding.service.js';
import { InvitationsService } from './invitations.service.js';
import { OneTimeTokenEntity } from './one-time-token.entity.js';
import { OneTimeTokensRepository } from './one-time-tokens.repository.js';
import { OneTimeTokens } from './one-time-tokens.service.js';
import { OwnAccountController } from './own-account.controller.js';
import { OwnAccount } from './own-account.service.js';
import { PasswordGuesses } from './password-guesses.service.js';
import { PasswordPolicy } from './password-policy.js';
import { PasswordResets } from './password-resets.service.js';
import { PasswordStrengthService } from './password-strength.service.js';
import { PasswordsService } from './passwords.service.js';
import { UserEntity } from './user.entity.js';
import { UserChangesService } from './user-changes.service.js';
import { UserInvites } from './user-invites.service.js';
import { UserLifecycle } from './user-lifecycle.service.js';
import { UserMails } from './user-mails.service.js';
import { UserManagers } from './user-managers.js';
import { UserPasswordsRepository } from './user-passwords.repository.js';
import { UsersController } from './users.controller.js';
import { UsersRepository } from './users.repository.js';
import { UsersService } from './users.service.js';
import { UsersListRepository } from './users-list.repository.js';
import { UsersListService } from './users-list.service.js';

/** People: how they come, what they prove themselves with, and how they leave. */
@Module({
  imports: [
    TypeOrmModule.forFeature([UserEntity, OneTimeTokenEntity]),
    DatabaseModule,
    ReplicasModule,
    JobsModule,
    MailModule,
    AuditModule,
    HashingModule,
    PrincipalsModule,
    AccessModule,
  ],
  controllers: [UsersController, AccountsController, OwnAccountController],
  providers: [
    UsersRepository,
    UsersService,
    UsersListRepository,
    UsersListService,
    UserChangesService,
    UserLifecycle,
    UserMails,
    UserManagers,
    UserInvites,
    UserPasswordsRepository,
    PasswordsService,
    PasswordPolicy,
    PasswordStrengthService,
    PasswordGuesses,
    PasswordResets,
    OneTimeTokens,
    OneTimeTokensRepository,
    InvitationsService,
    EmailChanges,
    OwnAccount,
    Founding,
    BootstrapAdministrator,
  ],
  exports: [UsersService, PasswordsService, OwnAccount, UserLifecycle, PasswordGuesses],
})
export class UsersModule {}
