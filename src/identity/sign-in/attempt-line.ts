interface Waiter {
  readonly admit: (admitted: boolean) => void;
  readonly fail: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Lets one caller per key through at a time, in the order they came, so that a flood on one account is one connection's
 * work and not the whole pool's.
 */
export class AttemptLine {
  readonly #lines = new Map<string, Waiter[]>();

  /** @param maxWaiting callers that may stand in one line. */
  constructor(private readonly maxWaiting: number) {}

  /**
   * Waits for one's turn, at most `waitMs` milliseconds; false: the line was too long, or the wait was. Whoever got true
   * calls `leave` or `dissolve`, once. Rejects with what `dissolve` was given meanwhile.
   */
  enter(key: string, waitMs: number): Promise<boolean> {
    const line = this.#lines.get(key);
    if (line === undefined) {
      this.#lines.set(key, []);
      return Promise.resolve(true);
    }
    if (line.length >= this.maxWaiting) return Promise.resolve(false);
    return new Promise((admit, fail) => {
      const giveUp = () => {
        line.splice(line.indexOf(waiter), 1);
        admit(false);
      };
      const waiter: Waiter = { admit, fail, timer: setTimeout(giveUp, waitMs) };
      line.push(waiter);
    });
  }

  /** Lets the next one through. */
  leave(key: string): void {
    const next = this.#lines.get(key)?.shift();
    if (next === undefined) {
      this.#lines.delete(key);
      return;
    }
    clearTimeout(next.timer);
    next.admit(true);
  }

  /** What went wrong for one would go wrong for all behind, one slow time-out after the other: all are told now. */
  dissolve(key: string, error: unknown): void {
    const line = this.#lines.get(key) ?? [];
    this.#lines.delete(key);
    for (const { timer, fail } of line) {
      clearTimeout(timer);
      fail(error);
    }
  }
}
