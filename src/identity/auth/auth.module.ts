import { Module } from '@nestjs/common';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AccessModule } from '../access/access.module.js';
import { ClientsModule } from '../clients/clients.module.js';
import { PrincipalsModule } from '../principals/principals.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AuthGuard } from './auth.guard.js';
import { AUTH_STRATEGIES, type AuthStrategy } from './auth-strategy.js';
import { MeController } from './me.controller.js';
import { AccessTokenStrategy } from './strategies/access-token.strategy.js';
import { ByotStrategy } from './strategies/byot.strategy.js';
import { ClientCredentialsStrategy } from './strategies/client-credentials.strategy.js';
import { SessionStrategy } from './strategies/session.strategy.js';
import { WhoamiController } from './whoami.controller.js';

const STRATEGIES = [ClientCredentialsStrategy, AccessTokenStrategy, SessionStrategy, ByotStrategy];

/** Who is calling: the guard and its list of strategies. Imported by the app alone. */
@Module({
  imports: [ClientsModule, AccessModule, PrincipalsModule, SessionsModule, TokensModule, UsersModule, ReplicasModule],
  controllers: [WhoamiController, MeController],
  providers: [
    AuthGuard,
    ...STRATEGIES,
    { provide: AUTH_STRATEGIES, inject: STRATEGIES, useFactory: (...strategies: AuthStrategy[]) => strategies },
  ],
  exports: [AuthGuard],
})
export class AuthModule {}
