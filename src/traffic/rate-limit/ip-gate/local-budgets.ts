import { LRUCache } from 'lru-cache';

const MAX_SUBJECTS = 50_000;

/** Two counts of one bucket, each as the time at which it is full again. */
interface Budget {
  /** What was taken in this process alone. */
  readonly here: number;
  /** What Redis said last. */
  readonly shared: number;
}

const FULL: Budget = Object.freeze({ here: 0, shared: 0 });

/**
 * Token buckets in this process's memory, each kept as the time at which it is full again: the normal mode without
 * Redis, and the stand-in while Redis is away. What Redis says does not undo what was taken here meanwhile, so that a
 * Redis that comes and goes fills nothing up. All times in milliseconds on one monotonic clock.
 */
export class LocalBudgets {
  readonly #budgets = new LRUCache<string, Budget>({ max: MAX_SUBJECTS });

  /** Takes a unit, if there is one, and says how long the bucket then takes until it is full. */
  take(subject: string, unitMs: number, windowMs: number, now: number): { taken: boolean; fullInMs: number } {
    const { here, shared } = this.#budgets.get(subject) ?? FULL;
    const fullInMs = Math.min(Math.max(here - now, shared - now, 0), windowMs);
    // A millionth of a unit: sums of fractions do not meet the window exactly.
    if (fullInMs + unitMs > windowMs + unitMs / 1_000_000) return { taken: false, fullInMs };
    this.#budgets.set(subject, { here: now + fullInMs + unitMs, shared });
    return { taken: true, fullInMs: fullInMs + unitMs };
  }

  /** @param from whose attempt it was: taken in this process alone, or from Redis. */
  giveBack(subject: string, unitMs: number, from: keyof Budget): void {
    const budget = this.#budgets.get(subject);
    if (budget !== undefined) this.#budgets.set(subject, { ...budget, [from]: budget[from] - unitMs });
  }

  /** Takes over what Redis said, so that Redis going away fills nothing up. */
  note(subject: string, fullInMs: number, now: number): void {
    const { here } = this.#budgets.get(subject) ?? FULL;
    this.#budgets.set(subject, { here, shared: now + fullInMs });
  }
}
