const MAX_WAITING = 1_000;

/** Callers of each subject that wait for something to happen to it, a thousand at most. */
export class WaitingLine {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Waits until it is this caller's turn, so many milliseconds at most. False at once when too many wait already. */
  wait(subject: string, milliseconds: number): Promise<boolean> {
    const line = this.#waiting.get(subject) ?? new Set();
    if (line.size >= MAX_WAITING) return Promise.resolve(false);
    this.#waiting.set(subject, line);
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        line.delete(wake);
        if (line.size === 0 && this.#waiting.get(subject) === line) this.#waiting.delete(subject);
        resolve(true);
      };
      const timer = setTimeout(wake, milliseconds);
      line.add(wake);
    });
  }

  /** Lets the first that waits go on. */
  wakeOne(subject: string): void {
    const [first] = this.#waiting.get(subject) ?? [];
    first?.();
  }

  /** Lets all that wait go on. */
  wakeAll(subject: string): void {
    for (const wake of [...(this.#waiting.get(subject) ?? [])]) wake();
  }
}
