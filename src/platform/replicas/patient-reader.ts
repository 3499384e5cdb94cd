import { CoalescedReader } from './coalesced-reader.js';
import type { DatabaseClock } from './database-clock.js';
import { type ReplicaRegistry, STALE_GRACE_SECONDS } from './replica-registry.service.js';

/** What a request that could be answered without PostgreSQL waits for it. */
const PATIENCE_WITH_FALLBACK_MS = 500;
/** How long requests that could be answered without it leave PostgreSQL alone after a failure. */
const REST_AFTER_FAILURE_MS = 1_000;

/**
 * Reads by key what replicas remember of PostgreSQL: coalesced, bounded in time, and honest about not knowing; and says
 * how long what was read may serve while PostgreSQL is away.
 */
export class PatientReader<T> {
  readonly #reads: CoalescedReader<T>;
  readonly #recheckMs: number;
  readonly #staleMs: number;
  #restUntil = 0;

  /** @param load reads one; `now` is PostgreSQL's time. */
  constructor(
    load: (key: string, now: Date) => Promise<T>,
    recheckSeconds: number,
    private readonly clock: DatabaseClock,
    private readonly registry: ReplicaRegistry,
  ) {
    this.#recheckMs = recheckSeconds * 1000;
    this.#staleMs = this.#recheckMs + STALE_GRACE_SECONDS * 1000;
    this.#reads = new CoalescedReader((key) => load(key, new Date(clock.now())));
  }

  /**
   * The value as PostgreSQL has it at some moment after this call.
   *
   * @param hasFallback the caller can do without: it waits half a second at most, and not at all for a second after a
   *   failure. Otherwise the wait is the pool's (two seconds for a connection, three for an answer).
   */
  async read(key: string, hasFallback: boolean): Promise<T | 'unavailable'> {
    if (hasFallback && this.clock.now() < this.#restUntil) return 'unavailable';
    const outcome = this.#reads.read(key).catch(() => 'unavailable' as const);
    const read = hasFallback ? await withPatience(outcome) : await outcome;
    if (read === 'unavailable') this.#restUntil = this.clock.now() + REST_AFTER_FAILURE_MS;
    return read;
  }

  /** Whether every change still reaches this replica's memory: others wait for its receipts. */
  get isInTouch(): boolean {
    return this.registry.hasLease;
  }

  /** Whether something read at `checkedAt` (milliseconds, PostgreSQL's clock) is to be compared with PostgreSQL again. */
  isDue(checkedAt: number, now: number): boolean {
    return now - checkedAt >= this.#recheckMs || checkedAt > now;
  }

  /**
   * Whether something read at `checkedAt` is young enough to be served while PostgreSQL is away, and this replica not cut
   * off for longer than it told the others it might serve.
   *
   * @param confirmed Redis, which is told of revocations, still says that it holds, or there is none to ask.
   */
  mayServeStale(checkedAt: number, confirmed: boolean): boolean {
    const { silentMs } = this.registry;
    return this.clock.now() - checkedAt <= this.#staleMs && silentMs <= (confirmed ? this.#staleMs : this.#recheckMs);
  }
}

function withPatience<T>(outcome: Promise<T>): Promise<T | 'unavailable'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('unavailable'), PATIENCE_WITH_FALLBACK_MS);
    void outcome.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
