import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { DatabaseClock } from './database-clock.js';
import { type AcceptanceWindows, ReplicaLine } from './replica-line.repository.js';
import { LIVE_SECONDS } from './replica-terms.js';

/** How long past the recheck bound a credential may be accepted while PostgreSQL is away. */
export const STALE_GRACE_SECONDS = 15 * 60;

/**
 * This process among the replicas, and how many there are.
 *
 * A beat every half second keeps it listed in PostgreSQL. Its lease is counted on this machine's monotonic clock from
 * before the beat was sent, so that a process that was stopped or cut off knows, when it goes on, that others may have
 * given it up.
 */
@Injectable()
export class ReplicaRegistry {
  /** Names this process, anew at each start. */
  readonly id = `rep_${randomBytes(9).toString('hex')}`;
  readonly #windows: AcceptanceWindows;
  #live = 1;
  #beatAt = Number.NEGATIVE_INFINITY;

  constructor(
    settings: Settings,
    private readonly line: ReplicaLine,
    private readonly clock: DatabaseClock,
  ) {
    const recheck = settings.AUTH_CACHE_RECHECK_SECONDS;
    const stale = recheck + STALE_GRACE_SECONDS;
    this.#windows = { aloneSeconds: settings.REDIS_URL === undefined ? stale : recheck, staleSeconds: stale };
  }

  /** Replicas that serve, this one included, as of the last beat; what it was then while PostgreSQL is away. */
  get live(): number {
    return this.#live;
  }

  /** Seconds after its last beat for which a replica may act on what nobody told it has ended. */
  get staleSeconds(): number {
    return this.#windows.staleSeconds;
  }

  /** False when the others may have stopped waiting for this replica: it has not beaten for five seconds. */
  get hasLease(): boolean {
    return this.silentMs < LIVE_SECONDS * 1000;
  }

  /** Milliseconds since this process began its last beat that PostgreSQL took. */
  get silentMs(): number {
    return performance.now() - this.#beatAt;
  }

  /** Beats once. Resolves to PostgreSQL's time in milliseconds; rejects when it is away. */
  async beat(): Promise<number> {
    const sentAt = performance.now();
    const before = this.clock.local();
    const { databaseMs, live } = await this.line.beat(this.id, this.#windows);
    this.clock.measured(databaseMs, before, this.clock.local());
    this.#beatAt = sentAt;
    this.#live = live;
    return databaseMs;
  }
}
