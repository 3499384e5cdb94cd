import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '../../platform/database/transactions.js';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { AuditService, SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import { type ExpiryWarning, ExpiryWarningsRepository, WARNING_DAYS } from './expiry-warnings.repository.js';

const LOOK_EVERY_MS = 60_000;
const CLEAN_EVERY_MS = 3_600_000;
/** Warnings of one transaction, and transactions of one look: the rest is for the next. */
const BATCH = 500;
const BATCHES = 20;
/** How long it is remembered that an end was warned of, once it has passed. */
const KEPT_MS = 30 * 86_400_000;

/**
 * Warns of clients and secrets that end: 14, 3 and 1 days ahead, once each, whatever restarts and however many replicas
 * there are. A warning is an event in the audit log, and counted for whoever watches the metrics. While PostgreSQL is
 * away nobody is warned; what was due is made up for.
 */
@Injectable()
export class ExpiryWarnings implements OnModuleInit {
  readonly #given: Record<string, number> = Object.fromEntries(WARNING_DAYS.map((days) => [days, 0]));

  constructor(
    private readonly repository: ExpiryWarningsRepository,
    private readonly transactions: Transactions,
    private readonly audit: AuditService,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
    private readonly metrics: MetricsService,
  ) {}

  onModuleInit(): void {
    this.metrics.counter(
      'expiry_warnings_total',
      'Warnings of clients and secrets that end, by the days they were given ahead.',
      () => this.#given,
      'days',
    );
    this.periodic.every('warn-of-expiry', LOOK_EVERY_MS, () => this.warn(), { once: true, immediately: true });
    this.periodic.every('forget-expiry-warnings', CLEAN_EVERY_MS, () => this.removeOld(), { once: true });
  }

  /** Gives the warnings that are due. Rejects when PostgreSQL is away; what was not given stays due. */
  async warn(): Promise<void> {
    for (let batch = 0; batch < BATCHES; batch++) {
      const given = await this.#giveBatch();
      for (const { days } of given) this.#given[days] = (this.#given[days] ?? 0) + 1;
      if (given.length < BATCH) return;
    }
  }

  /** Forgets what is no longer needed to warn once only. */
  removeOld(): Promise<void> {
    return this.repository.removeOld(new Date(this.clock.now() - KEPT_MS));
  }

  #giveBatch(): Promise<ExpiryWarning[]> {
    return this.transactions.run(async (transaction) => {
      const warnings = await this.repository.take(transaction, new Date(this.clock.now()), BATCH);
      for (const warning of warnings) {
        const { kind, id, clientId, hint, endsAt, days } = warning;
        const ends = { expires_at: endsAt.toISOString(), days_left: days };
        const about = { origin: SYSTEM_ORIGIN, subject: { type: kind, id } } as const;
        if (kind === 'client')
          await this.audit.record({ action: 'client.expires_soon', ...about, details: ends }, transaction);
        else {
          const details = { client_id: clientId, hint, ...ends };
          await this.audit.record({ action: 'secret.expires_soon', ...about, details }, transaction);
        }
      }
      return warnings;
    });
  }
}
