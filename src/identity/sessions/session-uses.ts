import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '../../platform/database/transactions.js';
import { Countries } from '../../platform/geo/countries.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { logError } from '../../platform/logging/log-error.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { AT_ONCE_MS, SessionSignals } from './session-signals.js';
import { SessionUsesRepository } from './session-uses.repository.js';

const FLUSH_EVERY_MS = 3_000;
const WRITE_EVERY_MS = 60_000;
/** Uses of one statement, and so of one flush. */
const BATCH = 10_000;
/** Sessions noted at once; the uses of others are lost, and they look idle earlier than they are. */
const MAX_NOTED = 500_000;

interface Note {
  usedAt: number;
  address: string;
  /** The use that PostgreSQL knows of, and when it was told; from then on it is left alone for `writeEveryMs`. */
  writtenUse: number;
  writtenAt: number;
  readonly writeEveryMs: number;
}

/**
 * When and from where sessions were last used. A request only notes it in memory; every few seconds what is due is written
 * in one statement. Of each session a replica writes its first use at once and then the latest one once a minute (twice
 * within its idle time, where that is shorter), so that after a minute PostgreSQL knows the last use to the millisecond.
 * While PostgreSQL is away uses wait; a process that is killed loses what it noted in the last minute.
 */
@Injectable()
export class SessionUses implements OnModuleInit, BeforeApplicationShutdown {
  readonly #notes = new Map<string, Note>();

  constructor(
    private readonly clock: DatabaseClock,
    private readonly countries: Countries,
    private readonly repository: SessionUsesRepository,
    private readonly signals: SessionSignals,
    private readonly transactions: Transactions,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('note-session-uses', FLUSH_EVERY_MS, () => this.flush());
  }

  /** Sessions whose uses wait to be written, or were written within the last minute. */
  get noted(): number {
    return this.#notes.size;
  }

  /** Notes that a session was used just now. Never throws and never waits. */
  note(session: { readonly id: string; readonly idleSeconds: number }, address: string): void {
    const now = this.clock.now();
    const note = this.#notes.get(session.id);
    if (note !== undefined) {
      note.usedAt = now;
      note.address = address;
    } else if (this.#notes.size < MAX_NOTED) {
      const writeEveryMs = Math.min(WRITE_EVERY_MS, session.idleSeconds * 500);
      const never = Number.NEGATIVE_INFINITY;
      this.#notes.set(session.id, { usedAt: now, address, writtenUse: never, writtenAt: never, writeEveryMs });
    }
  }

  /** Writes what is due, up to ten thousand uses. Rejects when PostgreSQL is away; nothing is lost then. */
  async flush(): Promise<void> {
    const now = this.clock.now();
    const due: [string, Note][] = [];
    for (const [id, note] of this.#notes) {
      // The clock may be set back: a time to come is no reason to write nothing until then.
      if (Math.abs(now - note.writtenAt) < note.writeEveryMs) continue;
      if (note.usedAt <= note.writtenUse) this.#notes.delete(id);
      else if (due.push([id, note]) === BATCH) break;
    }
    await this.#write(due);
  }

  /** Before the pool closes: all of it. */
  async beforeApplicationShutdown(): Promise<void> {
    const unwritten = [...this.#notes].filter(([, note]) => note.usedAt > note.writtenUse);
    for (let start = 0; start < unwritten.length; start += BATCH) {
      try {
        await this.#write(unwritten.slice(start, start + BATCH));
      } catch (error) {
        logError(error, { context: 'note-session-uses', level: 'warn' });
        return;
      }
    }
  }

  async #write(due: readonly [string, Note][]): Promise<void> {
    if (due.length === 0) return;
    const uses = due.map(([sessionId, { usedAt, address }]) => ({
      sessionId,
      usedAt: new Date(usedAt),
      address,
      country: this.countries.of(address),
    }));
    const { locked } = await this.transactions.run(async (transaction) => {
      const recorded = await this.repository.record(uses, AT_ONCE_MS, transaction);
      for (const { sessionId, userId, address, country, otherCountries } of recorded.divided) {
        const origin = { actorType: 'user', actorId: userId, address, requestId: null, sessionId } as const;
        await this.signals.ofUse({ sessionId, userId, origin }, country, otherCountries, transaction);
      }
      return recorded;
    });
    const unwritten = new Set(locked);
    const writtenAt = this.clock.now();
    for (const [index, [id, note]] of due.entries()) {
      const use = uses[index];
      if (use !== undefined && !unwritten.has(id)) Object.assign(note, { writtenAt, writtenUse: use.usedAt.getTime() });
    }
  }
}
