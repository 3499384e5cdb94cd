import { LRUCache } from 'lru-cache';
import type { DatabaseClock } from './database-clock.js';

const MAX_FENCES = 100_000;
const FENCE_TTL_MS = 24 * 3600 * 1000;
/** Replicas measure PostgreSQL's clock with some error; far longer than any reader can take from its read to its write. */
const CLOCK_ERROR_MS = 1_000;

/** Something that was read from PostgreSQL: under which version, and when (milliseconds, PostgreSQL's clock). */
export interface Versioned {
  readonly version: string;
  readonly checkedAt: number;
}

/**
 * What keeps a process from remembering again what was ended: the lowest version of a subject that may still be
 * remembered, and the earliest time of reading for all of them. A reader that began before an end and comes back after
 * it finds the fence up. Bounded in number: what no longer has a fence of its own stays behind one that all share.
 */
export class VersionFences {
  readonly #versions: LRUCache<string, number>;
  #floor = 0;

  constructor(private readonly clock: DatabaseClock) {
    this.#versions = new LRUCache<string, number>({
      max: MAX_FENCES,
      ttl: FENCE_TTL_MS,
      dispose: (_version, _subject, reason) => {
        if (reason === 'evict') this.raiseForAll();
      },
    });
  }

  /** Ends everything of the subject that is older than `version`. Never lowers a fence. */
  raise(subject: string, version: string): void {
    this.#versions.set(subject, Math.max(this.#versions.get(subject) ?? 0, Number(version)));
  }

  /** Ends everything that was read until now. */
  raiseForAll(): void {
    this.#floor = this.clock.now() + CLOCK_ERROR_MS;
  }

  /** Whether this was ended. */
  isEnded(subject: string, { version, checkedAt }: Versioned): boolean {
    return checkedAt < this.#floor || (this.#versions.get(subject) ?? 0) > Number(version);
  }
}
