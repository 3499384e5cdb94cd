import { Module, type OnModuleInit } from '@nestjs/common';
import { HealthModule } from '../../../platform/health/health.module.js';
import { MetricsService } from '../../../platform/health/metrics.service.js';
import { HttpModule } from '../../../platform/http/http.module.js';
import { RequestObservers } from '../../../platform/http/request-observer.js';
import { JobsModule } from '../../../platform/jobs/jobs.module.js';
import { PeriodicService } from '../../../platform/jobs/periodic.service.js';
import { ReplicasModule } from '../../../platform/replicas/replicas.module.js';
import { AuditModule } from '../audit.module.js';
import { DeniedPermissions } from './denied-permissions.service.js';

const FLUSH_MS = 1_000;

/** The record of what was refused for want of a permission. Whoever refuses says so to `DeniedPermissions`. */
@Module({
  imports: [AuditModule, HttpModule, ReplicasModule, JobsModule, HealthModule],
  providers: [DeniedPermissions],
  exports: [DeniedPermissions],
})
export class DeniedPermissionsModule implements OnModuleInit {
  constructor(
    private readonly denied: DeniedPermissions,
    private readonly periodic: PeriodicService,
    private readonly metrics: MetricsService,
    private readonly observers: RequestObservers,
  ) {}

  onModuleInit(): void {
    const { denied, periodic, metrics, observers } = this;
    observers.add(denied);
    periodic.every('denied-permissions', FLUSH_MS, () => denied.flush());
    metrics.gauge(
      'denied_permissions_waiting',
      'Audit rows of refusals that wait to be written.',
      () => denied.waiting,
    );
    metrics.counter(
      'denied_permissions_total',
      'Refusals for want of a permission, by how they are in the audit log.',
      () => ({
        ...denied.stats,
      }),
    );
  }
}
