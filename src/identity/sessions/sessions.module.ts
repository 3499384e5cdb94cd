import { Module, type OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { GeoModule } from '../../platform/geo/geo.module.js';
import { HealthModule } from '../../platform/health/health.module.js';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { PrincipalsModule } from '../principals/principals.module.js';
import { UsersModule } from '../users/users.module.js';
import { SessionActivityEntity } from './analytics/session-activity.entity.js';
import { SessionDayEntity } from './analytics/session-day.entity.js';
import { SessionDaysController } from './analytics/session-days.controller.js';
import { SessionDays } from './analytics/session-days.js';
import { SessionDaysRepository } from './analytics/session-days.repository.js';
import { CsrfController } from './csrf.controller.js';
import { KnownCountryEntity } from './devices/known-country.entity.js';
import { KnownDeviceEntity } from './devices/known-device.entity.js';
import { KnownDevices } from './devices/known-devices.service.js';
import { KnownPlacesRepository } from './devices/known-places.repository.js';
import { SessionEntity } from './session.entity.js';
import { SessionCookieService } from './session-cookie.service.js';
import { SessionEnds } from './session-ends.js';
import { SessionExpiry } from './session-expiry.js';
import { SessionManagement } from './session-management.service.js';
import { SessionOpening } from './session-opening.js';
import { SessionProofs } from './session-proofs.js';
import { SessionSignals } from './session-signals.js';
import { SessionSignalsRepository } from './session-signals.repository.js';
import { SessionUses } from './session-uses.js';
import { SessionUsesRepository } from './session-uses.repository.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';
import { SessionsListRepository } from './sessions-list.repository.js';
import { UserSessionsController } from './user-sessions.controller.js';

/** Sessions of people: where and on what they are signed in, and how that ends. */
@Module({
  imports: [
    TypeOrmModule.forFeature([
      SessionEntity,
      KnownDeviceEntity,
      KnownCountryEntity,
      SessionActivityEntity,
      SessionDayEntity,
    ]),
    DatabaseModule,
    GeoModule,
    HealthModule,
    JobsModule,
    ReplicasModule,
    AuditModule,
    PrincipalsModule,
    UsersModule,
  ],
  controllers: [SessionsController, UserSessionsController, CsrfController, SessionDaysController],
  providers: [
    SessionsService,
    SessionCookieService,
    KnownDevices,
    KnownPlacesRepository,
    SessionOpening,
    SessionProofs,
    SessionEnds,
    SessionSignals,
    SessionSignalsRepository,
    SessionUses,
    SessionUsesRepository,
    SessionExpiry,
    SessionManagement,
    SessionsRepository,
    SessionsListRepository,
    SessionDays,
    SessionDaysRepository,
  ],
  exports: [SessionsService, SessionManagement, SessionCookieService, KnownDevices],
})
export class SessionsModule implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly opening: SessionOpening,
    private readonly ends: SessionEnds,
    private readonly signals: SessionSignals,
    private readonly uses: SessionUses,
  ) {}

  onModuleInit(): void {
    const { metrics, opening, ends, signals, uses } = this;
    metrics.counter('sessions_opened_total', 'Sessions that sign-ins made.', () => opening.opened);
    metrics.counter('sessions_ended_total', 'Sessions that were ended, by why.', () => ({ ...ends.stats }), 'reason');
    metrics.counter(
      'session_signals_total',
      'What was unusual about sessions.',
      () => ({ ...signals.stats }),
      'signal',
    );
    metrics.gauge('sessions_noted', 'Sessions whose last use is in memory.', () => uses.noted);
  }
}
