import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { SessionsRepository } from './sessions.repository.js';

const EVERY_MS = 60_000;
const DAY_MS = 86_400_000;
/** How long the row of an ended session stays, to be looked at. */
const KEPT_DAYS = 90;
/** Rows of one statement, and statements of one round. */
const BATCH = 1_000;
const BATCHES = 50;

/**
 * Marks sessions whose end has come, and removes rows that ended 90 days ago; on one replica, batch by batch. Nothing
 * depends on it: whoever decides on a session reads its times. One that was idle is marked when its end comes, or when
 * its user signs in again.
 */
@Injectable()
export class SessionExpiry implements OnModuleInit {
  constructor(
    private readonly clock: DatabaseClock,
    private readonly repository: SessionsRepository,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('session-expiry', EVERY_MS, () => this.run(), { once: true });
  }

  /** One round. Rejects when PostgreSQL is away; the next round does what this one could not. */
  async run(): Promise<void> {
    const now = this.clock.now();
    await inBatches(() => this.repository.endExpired(new Date(now), BATCH));
    await inBatches(() => this.repository.removeEnded(new Date(now - KEPT_DAYS * DAY_MS), BATCH));
  }
}

async function inBatches(work: () => Promise<number>): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) if ((await work()) < BATCH) return;
}
