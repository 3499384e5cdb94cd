import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Clock } from '../../../kernel/clock.js';
import { Settings } from '../../../platform/config/settings.js';
import { PeriodicService } from '../../../platform/jobs/periodic.service.js';
import { ApiLogAggregationRepository } from './api-log-aggregation.repository.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Rows may come so many hours late (PostgreSQL was away, a stream was long) and be counted yet. */
const LATE_HOURS = 48;
/** It reads the log for a twentieth of the time at most. */
const REST = 20;

/**
 * Keeps the hours: once a minute, on one replica, the present and the last one, and in turn one of the two days before.
 * An hour is always made whole from its rows, so nothing is counted twice, whatever was broken off. What was missed
 * while nobody ran is made up for at the start.
 */
@Injectable()
export class ApiLogAggregationService implements OnApplicationBootstrap, OnModuleDestroy {
  #caughtUp = false;
  #turn = 0;
  #restUntil = 0;
  #missing = 0;
  #stopping = false;

  constructor(
    private readonly repository: ApiLogAggregationRepository,
    private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly periodic: PeriodicService,
  ) {}

  onApplicationBootstrap(): void {
    this.periodic.every('api-log-aggregation', MINUTE_MS, () => this.run(), { once: true, immediately: true });
  }

  onModuleDestroy(): void {
    this.#stopping = true;
  }

  /** Numbered rows that never reached the log, as of the last round of this process; 0 where another one runs it. */
  get missingRows(): number {
    return this.#missing;
  }

  /** One round. Rejects when PostgreSQL is away; the next round does what this one could not. */
  async run(): Promise<void> {
    const started = this.clock.now();
    if (started < this.#restUntil) return;
    try {
      const present = Math.floor(started / HOUR_MS) * HOUR_MS;
      for (const hour of await this.#hours(present)) {
        if (this.#stopping) return;
        await this.repository.aggregate(new Date(hour));
      }
      this.#caughtUp = true;
      this.#missing = await this.repository.missingRows();
      if (this.#turn === 0)
        await this.repository.forgetBefore(
          new Date(started - this.settings.API_LOG_ROLLUP_RETENTION_DAYS * DAY_MS),
          new Date(started - this.settings.API_LOG_RETENTION_DAYS * DAY_MS),
        );
      this.#turn = (this.#turn + 1) % LATE_HOURS;
    } finally {
      this.repository.close();
      const ended = this.clock.now();
      this.#restUntil = ended + (ended - started) * REST;
    }
  }

  /** Oldest first, so that what breaks off is gone on with. */
  async #hours(present: number): Promise<number[]> {
    if (this.#caughtUp) return [present - (2 + this.#turn) * HOUR_MS, present - HOUR_MS, present];
    const last = (await this.repository.lastHour())?.getTime() ?? present;
    const first = Math.max(Math.min(last, present - HOUR_MS), present - this.settings.API_LOG_RETENTION_DAYS * DAY_MS);
    return Array.from({ length: (present - first) / HOUR_MS + 1 }, (_, hour) => first + hour * HOUR_MS);
  }
}
