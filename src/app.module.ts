import { type DynamicModule, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from './identity/access/access.guard.js';
import { AccessModule } from './identity/access/access.module.js';
import { AuthGuard } from './identity/auth/auth.guard.js';
import { AuthModule } from './identity/auth/auth.module.js';
import { ClientsModule } from './identity/clients/clients.module.js';
import { PrincipalsModule } from './identity/principals/principals.module.js';
import { SessionsModule } from './identity/sessions/sessions.module.js';
import { SignInModule } from './identity/sign-in/sign-in.module.js';
import { TokensModule } from './identity/tokens/tokens.module.js';
import { UsersModule } from './identity/users/users.module.js';
import { ConfigModule } from './platform/config/config.module.js';
import type { Settings } from './platform/config/settings.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { HealthModule } from './platform/health/health.module.js';
import { HttpModule } from './platform/http/http.module.js';
import { ApiLogModule } from './records/api-log/api-log.module.js';
import { AuditLogsModule } from './records/audit/reading/audit-logs.module.js';
import { GatewayModule } from './traffic/gateway/gateway.module.js';
import { IpGateGuard } from './traffic/rate-limit/ip-gate/ip-gate.guard.js';
import { IpGateModule } from './traffic/rate-limit/ip-gate/ip-gate.module.js';
import { RateLimitModule } from './traffic/rate-limit/rate-limit.module.js';
import { ThrottleGuard } from './traffic/rate-limit/throttle.guard.js';

/** Guards in the order a request meets them. Nest would take them in the modules' import order otherwise. */
const GUARDS = [IpGateGuard, AuthGuard, AccessGuard, ThrottleGuard];

/** The only list of rooms. */
@Module({})
export class AppModule {
  static for(settings: Settings): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.for(settings),
        DatabaseModule,
        HttpModule,
        HealthModule,
        ApiLogModule,
        AuditLogsModule,
        PrincipalsModule,
        SessionsModule,
        ClientsModule,
        TokensModule,
        AccessModule,
        UsersModule,
        SignInModule,
        AuthModule,
        IpGateModule,
        RateLimitModule,
        GatewayModule,
      ],
      providers: GUARDS.map((guard) => ({ provide: APP_GUARD, useExisting: guard })),
    };
  }
}
