import { LRUCache } from 'lru-cache';

/** What is enough: so many within so many milliseconds; null: never. */
export interface Threshold {
  readonly count: number;
  readonly windowMs: number;
}

/** What an address is blocked for: too many attempts, or too many client ids tried. */
export type Pattern = 'attempts' | 'client_ids';

interface Counted {
  attempts: number;
  attemptsUntil: number;
  ids: Set<string>;
  idsUntil: number;
}

const MAX_ADDRESSES = 10_000;

/** The offences of addresses in this process's memory, for when there is no Redis to count them in. */
export class LocalOffences {
  readonly #counted = new LRUCache<string, Counted>({ max: MAX_ADDRESSES });

  constructor(
    private readonly attempts: Threshold | null,
    private readonly ids: Threshold | null,
  ) {}

  /** Adds attempts and the ids they tried. Names the pattern once it is one; then all is forgotten. */
  add(source: string, attempts: number, ids: Iterable<string>, now: number): Pattern | null {
    const counted = this.#counted.get(source) ?? { attempts: 0, attemptsUntil: 0, ids: new Set(), idsUntil: 0 };
    this.#counted.set(source, counted);
    if (this.attempts !== null) {
      if (counted.attemptsUntil <= now)
        Object.assign(counted, { attempts: 0, attemptsUntil: now + this.attempts.windowMs });
      counted.attempts += attempts;
    }
    if (this.ids !== null) {
      if (counted.idsUntil <= now) Object.assign(counted, { ids: new Set(), idsUntil: now + this.ids.windowMs });
      for (const id of ids) if (counted.ids.size < this.ids.count) counted.ids.add(id);
    }
    const pattern = this.#patternOf(counted);
    if (pattern !== null) this.#counted.delete(source);
    return pattern;
  }

  #patternOf(counted: Counted): Pattern | null {
    if (this.ids !== null && counted.ids.size >= this.ids.count) return 'client_ids';
    return this.attempts !== null && counted.attempts >= this.attempts.count ? 'attempts' : null;
  }
}
