import { LRUCache } from 'lru-cache';

const MAX_SUBJECTS = 50_000;

/**
 * Token buckets in this process's memory, each kept as the time at which it is full again: the normal mode without
 * Redis, and the stand-in while Redis is away. All times in milliseconds on one monotonic clock.
 */
export class LocalBudgets {
  readonly #fullAt = new LRUCache<string, number>({ max: MAX_SUBJECTS });

  /** Takes a unit, if there is one, and says how long the bucket then takes until it is full. */
  take(subject: string, unitMs: number, windowMs: number, now: number): { taken: boolean; fullInMs: number } {
    const fullInMs = Math.min(Math.max((this.#fullAt.get(subject) ?? now) - now, 0), windowMs);
    // A millionth of a unit: sums of fractions do not meet the window exactly.
    if (fullInMs + unitMs > windowMs + unitMs / 1_000_000) return { taken: false, fullInMs };
    this.#fullAt.set(subject, now + fullInMs + unitMs);
    return { taken: true, fullInMs: fullInMs + unitMs };
  }

  giveBack(subject: string, unitMs: number, now: number): void {
    const fullAt = this.#fullAt.get(subject);
    if (fullAt === undefined) return;
    if (fullAt - unitMs > now) this.#fullAt.set(subject, fullAt - unitMs);
    else this.#fullAt.delete(subject);
  }

  /** Takes over what Redis said, so that Redis going away fills nothing up. */
  note(subject: string, fullInMs: number, now: number): void {
    this.#fullAt.set(subject, now + fullInMs);
  }
}
