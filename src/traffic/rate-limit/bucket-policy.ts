import type { RateClass } from '../../kernel/handler-marks.js';
import type { RateLimit } from '../../platform/config/rate-limit-table.js';

/**
 * How long a bucket takes until it is full again: `micros` microseconds and `part` of the policy's quota-ths of one
 * more. All whole numbers, so that no rounding adds up however many units are taken.
 */
export interface Debt {
  readonly micros: number;
  readonly part: number;
}

/** A decision about some buckets at once, each with its debt after it. */
export interface Taken {
  readonly allowed: boolean;
  readonly debts: readonly Debt[];
  /** One bit per bucket, the first the lowest: those in shadow that would have refused what was allowed. */
  readonly lacking: number;
}

/** What a bucket is besides its size; by default the first window of a class of the built-in table. */
export interface BucketTraits {
  /** Units one request takes. */
  readonly cost?: number;
  /** Counted, never enforced. */
  readonly shadow?: boolean;
  /** A second or later window of its class. */
  readonly further?: boolean;
  /** Names where the policy comes from, and which state of it. */
  readonly origin?: string;
}

export const NO_DEBT: Debt = Object.freeze({ micros: 0, part: 0 });

const HALF_WORD = 32_768;

/**
 * The arithmetic of one token bucket: capacity `quota`, refilled evenly over the window.
 *
 * A bucket is kept as the time at which it is full again. Taking a unit moves that time on by window/quota; the bucket
 * is empty when it lies a whole window ahead. This is the token bucket exactly, in one number, and an idle bucket needs
 * no storage at all.
 */
export class BucketPolicy {
  readonly rateClass: RateClass;
  /** Tells the buckets of a subject apart: the class, from its second window on with the window. */
  readonly name: string;
  readonly quota: number;
  readonly windowSeconds: number;
  readonly windowMicros: number;
  /** Units one request takes. */
  readonly cost: number;
  /** Counted, never enforced: it refuses nothing, and takes what a request needs only where it has it. */
  readonly shadow: boolean;
  /** As it stands in `RateLimit-Policy`. */
  readonly header: string;
  /** Names where the policy comes from, and which state of it. */
  readonly origin: string;
  readonly #request: Debt;

  constructor(rateClass: RateClass, limit: RateLimit, traits: BucketTraits = {}) {
    this.rateClass = rateClass;
    this.name = traits.further ? `${rateClass}:${limit.windowSeconds}` : rateClass;
    this.quota = limit.quota;
    this.windowSeconds = limit.windowSeconds;
    this.windowMicros = limit.windowSeconds * 1_000_000;
    this.cost = traits.cost ?? 1;
    this.shadow = traits.shadow ?? false;
    this.origin = traits.origin ?? 'default';
    this.header = `"${this.name}";q=${limit.quota};w=${limit.windowSeconds}`;
    this.#request = this.#multiply(this.cost);
  }

  /**
   * What one of `replicas` may let through by itself: its part of the quota over the same window, rounded down, but
   * never less than one request.
   */
  share(replicas: number): BucketPolicy {
    const quota = Math.max(Math.floor(this.quota / replicas), this.cost);
    const { rateClass, windowSeconds, cost, shadow, origin } = this;
    const further = this.name !== rateClass;
    return new BucketPolicy(rateClass, { quota, windowSeconds }, { cost, shadow, further, origin });
  }

  /** The debt that taking `units` adds. More than the quota is more than the bucket ever holds. */
  debtOf(units: number): Debt {
    return units === this.cost ? this.#request : this.#multiply(units);
  }

  /**
   * The debt of a stored bucket at the time `now` (µs). Past is full. Further ahead than a window, which a clock set
   * back or a window made shorter can cause, is empty. Whoever stores it must then store `now` + window, or it would
   * stay empty until the clock has caught up.
   */
  debtAt(now: number, fullAt: number, part: number): Debt {
    const known = part < this.quota;
    const micros = fullAt - now + (known ? 0 : 1);
    if (micros < 0) return NO_DEBT;
    if (micros >= this.windowMicros) return { micros: this.windowMicros, part: 0 };
    return { micros, part: known ? part : 0 };
  }

  /** The debt after taking what `cost` adds, or null when the bucket does not hold it. */
  add(debt: Debt, cost: Debt): Debt | null {
    let micros = debt.micros + cost.micros;
    let part = debt.part + cost.part;
    if (part >= this.quota) {
      part -= this.quota;
      micros += 1;
    }
    const fits = micros < this.windowMicros || (micros === this.windowMicros && part === 0);
    return fits ? { micros, part } : null;
  }

  /** The debt after giving back what `cost` added; no bucket becomes fuller than full. */
  subtract(debt: Debt, cost: Debt): Debt {
    const borrows = debt.part < cost.part;
    const micros = debt.micros - cost.micros - (borrows ? 1 : 0);
    return micros < 0 ? NO_DEBT : { micros, part: debt.part - cost.part + (borrows ? this.quota : 0) };
  }

  /** How many units the bucket holds. */
  remaining(debt: Debt): number {
    let units = Math.floor(((this.windowMicros - debt.micros) / this.windowMicros) * this.quota);
    units = Math.min(Math.max(units, 0), this.quota);
    while (units > 0 && this.add(debt, this.debtOf(units)) === null) units -= 1;
    while (units < this.quota && this.add(debt, this.debtOf(units + 1)) !== null) units += 1;
    return units;
  }

  /** Microseconds until the bucket holds `units` (at most: until it is full), the least whole number that is enough. */
  microsUntil(debt: Debt, units: number): number {
    const spare = this.debtOf(Math.min(units, this.quota));
    const carry = debt.part + spare.part;
    const over = carry > this.quota ? 2 : carry > 0 ? 1 : 0;
    return Math.max(debt.micros + spare.micros - this.windowMicros + over, 0);
  }

  /** Microseconds until the bucket is full. */
  microsUntilFull(debt: Debt): number {
    return debt.micros + (debt.part > 0 ? 1 : 0);
  }

  /** `units` × window / quota in whole numbers below 2^53, for every quota and window that a policy can hold. */
  #multiply(units: number): Debt {
    const each = Math.floor(this.windowMicros / this.quota);
    const rest = this.windowMicros % this.quota;
    const high = Math.floor(units / HALF_WORD) * rest;
    const low = (high % this.quota) * HALF_WORD + (units % HALF_WORD) * rest;
    const carried = Math.floor(high / this.quota) * HALF_WORD + Math.floor(low / this.quota);
    return { micros: units * each + carried, part: low % this.quota };
  }
}
