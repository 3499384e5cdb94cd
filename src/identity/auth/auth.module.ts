import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ClientsModule } from '../clients/clients.module.js';
import { AuthGuard } from './auth.guard.js';
import { AUTH_STRATEGIES, type AuthStrategy } from './auth-strategy.js';
import { ByotStrategy } from './strategies/byot.strategy.js';
import { ClientCredentialsStrategy } from './strategies/client-credentials.strategy.js';
import { WhoamiController } from './whoami.controller.js';

const STRATEGIES = [ClientCredentialsStrategy, ByotStrategy];

/** Who is calling: the guard and its list of strategies. Imported by the app alone. */
@Module({
  imports: [ClientsModule, AccessModule],
  controllers: [WhoamiController],
  providers: [
    AuthGuard,
    ...STRATEGIES,
    { provide: AUTH_STRATEGIES, inject: STRATEGIES, useFactory: (...strategies: AuthStrategy[]) => strategies },
  ],
  exports: [AuthGuard],
})
export class AuthModule {}
