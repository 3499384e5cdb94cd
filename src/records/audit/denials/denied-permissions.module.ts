import { Module, type OnModuleInit } from '@nestjs/common';
import { HealthModule } from '../../../platform/health/health.module.js';
import { MetricsService } from '../../../platform/health/metrics.service.js';
import { JobsModule } from '../../../platform/jobs/jobs.module.js';
import { PeriodicService } from '../../../platform/jobs/periodic.service.js';
import { ReplicasModule } from '../../../platform/replicas/replicas.module.js';
import { AuditModule } from '../audit.module.js';
import { DeniedPermissions } from './denied-permissions.service.js';

const FLUSH_MS = 1_000;

/** The record of what was refused for want of a permission. Whoever refuses says so to `DeniedPermissions`. */
@Module({
  imports: [AuditModule, ReplicasModule, JobsModule, HealthModule],
  providers: [DeniedPermissions],
  exports: [DeniedPermissions],
})
export class DeniedPermissionsModule implements OnModuleInit {
  constructor(
    private readonly denied: DeniedPermissions,
    private readonly periodic: PeriodicService,
    private readonly metrics: MetricsService,
  ) {}

  onModuleInit(): void {
    const { denied, periodic, metrics } = this;
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
