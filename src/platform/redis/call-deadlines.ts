/** A call was not answered within its time. */
export class CallTimeoutError extends Error {}

interface PendingCall {
  readonly due: number;
  /** Null once the call is settled. */
  reject: ((error: CallTimeoutError) => void) | null;
}

/** So many settled calls at the front of the queue are cut off at once, or what there is when no other waits. */
const CUT_LENGTH = 1_024;

/**
 * Bounds calls in time, all by the same number of milliseconds, so that one timer serves any number of them.
 *
 * An answer that has arrived is never judged late because this thread was busy: when the timer fires, whatever waits in
 * the sockets is read first.
 */
export class CallDeadlines {
  /**
   * In the order they were made, which is the order they are due; those before `#first` are settled. Not a Set, whose
   * old tables would keep settled calls and all that hangs on them alive (see `OpenRequests`).
   */
  #pending: (PendingCall | undefined)[] = [];
  #first = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly milliseconds: number) {}

  /** Settles as the call does, or rejects with `CallTimeoutError`; what the call does later is ignored. */
  bound<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const pending: PendingCall = { due: performance.now() + this.milliseconds, reject };
      this.#pending.push(pending);
      if (this.#timer === null) this.#look(this.milliseconds);
      call.then(
        (value) => {
          this.#settle(pending);
          resolve(value);
        },
        (error: unknown) => {
          this.#settle(pending);
          reject(error);
        },
      );
    });
  }

  #look(inMilliseconds: number): void {
    this.#timer = setTimeout(() => setImmediate(() => this.#expire()), inMilliseconds).unref();
  }

  /** Marks a call as settled, and moves the front of the queue to the first that is not. */
  #settle(settled: PendingCall): void {
    settled.reject = null;
    while (this.#first < this.#pending.length && this.#pending[this.#first]?.reject == null) {
      this.#pending[this.#first] = undefined;
      this.#first += 1;
    }
    if (this.#first === this.#pending.length || this.#first >= CUT_LENGTH) {
      this.#pending.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #expire(): void {
    this.#timer = null;
    const now = performance.now();
    for (let next = this.#pending[this.#first]; next !== undefined; next = this.#pending[this.#first]) {
      if (next.due > now) {
        this.#look(next.due - now);
        return;
      }
      next.reject?.(new CallTimeoutError());
      this.#settle(next);
    }
  }
}
