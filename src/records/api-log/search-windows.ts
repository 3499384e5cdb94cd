const MINUTE_MS = 60_000;
/** What the search of one window should take: much less than a page may take in all, much more than asking costs. */
const AIM_MS = 10;
/** What asking costs, whatever is looked at. */
const ASKING_MS = 0.75;
const MAX_GROWTH = 16;
const MAX_SHRINKAGE = 1 / 4;
/** What was given up took an unknown time: the next try is sure to be much less. */
const RETREAT = 1 / 16;

/** A span of time to be searched, in milliseconds since the Unix epoch; null is open. */
export interface SearchWindow {
  /** Nothing before it is looked at; this very moment is only when it is the far end. */
  readonly from: number | null;
  /** Nothing after it is looked at; this very moment is only when it is the far end. */
  readonly to: number | null;
}

/**
 * The windows in which a search goes through time, from the side it was asked to begin on. The first is a minute, the
 * next ones as wide as can be searched in about ten milliseconds: dense rows are found in the first, rare ones after
 * few steps, and a search that finds nothing has read a bounded number of rows whenever it is stopped. Both outermost
 * windows are open, for rows that a wrong clock dated.
 */
export class SearchWindows {
  #edge: number;
  #width = MINUTE_MS;
  #last = false;
  /** Where the window before ended; null before the first. */
  #near: number | null = null;
  #before: { readonly edge: number; readonly near: number | null } = { edge: 0, near: null };

  /** @param start where to begin. @param end after which there is nothing; beyond `start` in the search's direction. */
  constructor(
    private readonly descending: boolean,
    start: number,
    private readonly end: number,
  ) {
    this.#edge = start;
  }

  /** True when `next` has given the last window. */
  get done(): boolean {
    return this.#last;
  }

  /** The moment up to which the windows so far have searched, that one included. */
  get edge(): number {
    return this.#edge;
  }

  next(): SearchWindow {
    const near = this.#near;
    const far = this.descending ? this.#edge - this.#width : this.#edge + this.#width;
    this.#last = this.descending ? far <= this.end : far >= this.end;
    this.#before = { edge: this.#edge, near };
    this.#near = this.#edge = far;
    const open = this.#last ? null : far;
    return this.descending ? { from: open, to: near } : { from: near, to: open };
  }

  /** Says how many milliseconds the search of the last window took; the next one's width follows from that. */
  took(milliseconds: number): void {
    const growth = AIM_MS / Math.max(milliseconds - ASKING_MS, AIM_MS / MAX_GROWTH);
    this.#resize(Math.max(MAX_SHRINKAGE, growth));
  }

  /** Takes the last window back, because its search was given up: the next one is a part of it. */
  retreat(): void {
    this.#last = false;
    this.#edge = this.#before.edge;
    this.#near = this.#before.near;
    this.#width = Math.min(this.#width, Math.abs(this.end - this.#edge));
    this.#resize(RETREAT);
  }

  #resize(factor: number): void {
    this.#width = Math.max(1, Math.ceil(this.#width * factor));
  }
}
