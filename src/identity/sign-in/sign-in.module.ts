import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { HealthModule } from '../../platform/health/health.module.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { PrincipalsModule } from '../principals/principals.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { FailedSignIns } from './failed-sign-ins.js';
import { GuessesElsewhere } from './guesses-elsewhere.js';
import { OwnPasswordController } from './own-password.controller.js';
import { PasswordCheck } from './password-check.js';
import { PresentedSessions } from './presented-sessions.js';
import { ReauthenticationController } from './reauthentication.controller.js';
import { Reauthentication } from './reauthentication.service.js';
import { SessionRises } from './session-rises.js';
import { SignInController } from './sign-in.controller.js';
import { SignInMetrics } from './sign-in.metrics.js';
import { SignInService } from './sign-in.service.js';
import { SignInAttemptEntity } from './sign-in-attempt.entity.js';
import { SignInAttemptsRepository } from './sign-in-attempts.repository.js';
import { SignInCleanup } from './sign-in-cleanup.js';
import { SignInCompletion } from './sign-in-completion.js';
import { SignInDevices } from './sign-in-devices.js';
import { SignInDigests } from './sign-in-digests.js';
import { SignInLockout } from './sign-in-lockout.service.js';
import { SignInOutcomes } from './sign-in-outcomes.js';
import { SignInRecoveriesRepository } from './sign-in-recoveries.repository.js';
import { SignInRecoveryEntity } from './sign-in-recovery.entity.js';
import { SignOutService } from './sign-out.service.js';

/** Signing in with e-mail address and password, proving it once more, what that costs whoever guesses, and signing out. */
@Module({
  imports: [
    TypeOrmModule.forFeature([SignInAttemptEntity, SignInRecoveryEntity]),
    DatabaseModule,
    HealthModule,
    JobsModule,
    AuditModule,
    PrincipalsModule,
    UsersModule,
    SessionsModule,
    TokensModule,
  ],
  controllers: [SignInController, ReauthenticationController, OwnPasswordController],
  providers: [
    SignInDigests,
    SignInAttemptsRepository,
    SignInRecoveriesRepository,
    SignInLockout,
    SignInDevices,
    GuessesElsewhere,
    FailedSignIns,
    PasswordCheck,
    PresentedSessions,
    SignInCompletion,
    SignInOutcomes,
    SignInService,
    SessionRises,
    Reauthentication,
    SignOutService,
    SignInMetrics,
    SignInCleanup,
  ],
})
export class SignInModule {}
