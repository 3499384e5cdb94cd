import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { logError } from '../../platform/logging/log-error.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type SecretUse, SecretUsesRepository } from './secret-uses.repository.js';
import { shownUserAgent } from './shown-user-agent.js';

const NOTED_FOR_MS = 60_000;
const FLUSH_EVERY_MS = 3_000;
/** Uses of one statement, and so of one flush. */
const BATCH = 10_000;
/** Secrets noted lately, twice over; beyond that some are noted more often than once a minute. */
const MAX_NOTED = 100_000;
/** Uses that wait to be written; beyond that new ones wait in their callers' next requests. */
const MAX_WAITING = 50_000;

/**
 * When, from where and by what each secret was last used. A request only notes it in memory; every few seconds what was
 * noted is written in one statement, each secret at most once a minute. While PostgreSQL is away it waits, bounded in
 * number; a process that is killed loses what it noted in the last seconds.
 */
@Injectable()
export class SecretUses implements OnModuleInit, BeforeApplicationShutdown {
  #noted = new Map<string, number>();
  #notedBefore = new Map<string, number>();
  #waiting = new Map<string, SecretUse>();

  constructor(
    private readonly clock: DatabaseClock,
    private readonly repository: SecretUsesRepository,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('note-secret-uses', FLUSH_EVERY_MS, () => this.flush());
  }

  /** Uses that wait to be written. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Notes that a secret was right just now. Never throws, never waits, and does nothing within a minute of the last. */
  note(secretId: string, attempt: AuthAttempt): void {
    const now = this.clock.now();
    const before = this.#noted.get(secretId) ?? this.#notedBefore.get(secretId);
    // The clock may be set back: a time to come is no reason to note nothing until then.
    if (before !== undefined && Math.abs(now - before) < NOTED_FOR_MS) return;
    if (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(secretId)) return;
    if (this.#noted.size >= MAX_NOTED) {
      this.#notedBefore = this.#noted;
      this.#noted = new Map();
    }
    this.#noted.set(secretId, now);
    const { address, userAgent } = attempt;
    this.#waiting.set(secretId, { secretId, usedAt: new Date(now), address, userAgent: shownUserAgent(userAgent) });
  }

  /** Writes what waits, up to ten thousand uses. Rejects when PostgreSQL is away; nothing is lost then. */
  async flush(): Promise<void> {
    const uses = [...this.#waiting.values()].slice(0, BATCH);
    if (uses.length === 0) return;
    for (const { secretId } of uses) this.#waiting.delete(secretId);
    try {
      const locked = new Set(await this.repository.record(uses));
      if (locked.size > 0) this.#putBack(uses.filter(({ secretId }) => locked.has(secretId)));
    } catch (error) {
      this.#putBack(uses);
      throw error;
    }
  }

  /** Before the pool closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.flush().catch((error: unknown) => logError(error, { context: 'note-secret-uses', level: 'warn' }));
  }

  #putBack(uses: readonly SecretUse[]): void {
    for (const use of uses) if (!this.#waiting.has(use.secretId)) this.#waiting.set(use.secretId, use);
  }
}
