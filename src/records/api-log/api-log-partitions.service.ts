import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Settings } from '../../platform/config/settings.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { log } from '../../platform/logging/log.js';
import { ApiLogPartitionsRepository } from './api-log-partitions.repository.js';

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;
/** A partition that a long query held is tried again after this. */
const ROUND_MS = 10 * MINUTE_MS;
/** A process that cannot reach PostgreSQL at midnight has this many days of partitions ready. */
const DAYS_AHEAD = 3;

/** Keeps the day partitions of the API log: made ahead, and dropped once all in them is older than the retention. */
@Injectable()
export class ApiLogPartitionsService implements OnApplicationBootstrap {
  constructor(
    private readonly repository: ApiLogPartitionsRepository,
    private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly periodic: PeriodicService,
  ) {}

  onApplicationBootstrap(): void {
    this.periodic.every('api-log-partitions', ROUND_MS, () => this.maintain(), { once: true, immediately: true });
  }

  /** One round. Rejects when PostgreSQL is away; the next round does what this one could not. */
  async maintain(): Promise<void> {
    const now = this.clock.now();
    const days = Array.from({ length: DAYS_AHEAD + 1 }, (_, ahead) => utcDay(now + ahead * DAY_MS));
    await this.repository.ensureDays(days);
    const dropped = await this.repository.dropBefore(new Date(now - this.settings.API_LOG_RETENTION_DAYS * DAY_MS));
    if (dropped.length > 0) log('info', 'days of API log dropped', { context: 'api-log', count: dropped.length });
  }
}

function utcDay(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
