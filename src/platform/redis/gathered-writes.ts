import type { Writable } from 'node:stream';

/**
 * Holds back what is written to a connection until this turn of the event loop has dealt with all that had arrived, and
 * sends it in one piece: one system call for the commands of many requests, and one for their answers. Nothing waits
 * longer for it, since an answer could not be read before the next turn either.
 */
export class GatheredWrites {
  #held: Writable | null = null;

  /** Call before writing. `stream` may be null or another one than before, as a client that reconnects has it. */
  gather(stream: Writable | null | undefined): void {
    if (stream == null || stream === this.#held) return;
    this.#held = stream;
    stream.cork();
    setImmediate(() => {
      if (this.#held === stream) this.#held = null;
      stream.uncork();
    });
  }
}
