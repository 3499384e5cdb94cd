const PROBE_MIN_MS = 250;
const PROBE_MAX_MS = 2_000;
/** Opening again this soon after closing means the repair did not hold: probe less eagerly. */
const RELAPSE_MS = 5_000;
/** Time-outs in a row that mean Redis is away, not one slow call. */
const TIMEOUTS_TO_OPEN = 2;

/**
 * Decides whether Redis may be asked. Open: no request spends time on it. It closes again only when a probe that no
 * request waits for has been answered.
 *
 * Pure state, no timers: the owner calls `probeDelayMs()` for when to probe next.
 */
export class RedisBreaker {
  #closed = false;
  #timeouts = 0;
  #failedProbes = 0;
  #probeMs = PROBE_MIN_MS;
  #closedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly now: () => number) {}

  /** True while Redis may be asked. A new breaker starts open, until the first probe. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Probes failed in a row since it opened: when many, the connection itself is suspect. */
  get failedProbes(): number {
    return this.#failedProbes;
  }

  answered(): void {
    this.#timeouts = 0;
  }

  /** A call was not answered in time. Returns true when that opened the breaker. */
  timedOut(): boolean {
    this.#timeouts += 1;
    return this.#timeouts >= TIMEOUTS_TO_OPEN && this.open();
  }

  /** The connection is gone: open at once. Returns true when it was closed before. */
  open(): boolean {
    if (!this.#closed) return false;
    this.#closed = false;
    this.#failedProbes = 0;
    const relapsed = this.now() - this.#closedAt < RELAPSE_MS;
    this.#probeMs = relapsed ? Math.min(this.#probeMs * 2, PROBE_MAX_MS) : PROBE_MIN_MS;
    return true;
  }

  probeDelayMs(): number {
    return this.#probeMs;
  }

  probeFailed(): void {
    this.#failedProbes += 1;
  }

  probeAnswered(): void {
    this.#closed = true;
    this.#timeouts = 0;
    this.#failedProbes = 0;
    this.#closedAt = this.now();
  }
}
