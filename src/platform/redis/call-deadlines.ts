/** A call was not answered within its time. */
export class CallTimeoutError extends Error {}

interface PendingCall {
  readonly due: number;
  readonly reject: (error: CallTimeoutError) => void;
}

/**
 * Bounds calls in time, all by the same number of milliseconds, so that one timer serves any number of them.
 *
 * An answer that has arrived is never judged late because this thread was busy: when the timer fires, whatever waits in
 * the sockets is read first.
 */
export class CallDeadlines {
  readonly #pending = new Set<PendingCall>();
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly milliseconds: number) {}

  /** Settles as the call does, or rejects with `CallTimeoutError`; what the call does later is ignored. */
  bound<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const pending: PendingCall = { due: performance.now() + this.milliseconds, reject };
      this.#pending.add(pending);
      if (this.#timer === null) this.#look(this.milliseconds);
      call.then(
        (value) => {
          this.#pending.delete(pending);
          resolve(value);
        },
        (error: unknown) => {
          this.#pending.delete(pending);
          reject(error);
        },
      );
    });
  }

  #look(inMilliseconds: number): void {
    this.#timer = setTimeout(() => setImmediate(() => this.#expire()), inMilliseconds).unref();
  }

  /** Calls are due in the order they were made: the first that is not yet due ends the search. */
  #expire(): void {
    this.#timer = null;
    const now = performance.now();
    for (const pending of this.#pending) {
      if (pending.due > now) {
        this.#look(pending.due - now);
        return;
      }
      this.#pending.delete(pending);
      pending.reject(new CallTimeoutError());
    }
  }
}
