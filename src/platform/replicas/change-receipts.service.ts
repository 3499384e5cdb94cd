import { Injectable } from '@nestjs/common';
import type { Receipt } from './change.js';
import { LIVE_SECONDS } from './replica-terms.js';
import { ReplicasRepository, type SilentReplica, type WaitingWindow } from './replicas.repository.js';

/** How long a change waits for the replicas' receipts. */
const WAIT_MS = 2_000;
/** How often it looks for them where nobody tells it. */
const LOOK_MS = 50;

/** Waits until a committed change has been confirmed by every replica that could still act on what was before. */
@Injectable()
export class ChangeReceipts {
  readonly #waiting = new Map<string, () => void>();

  constructor(private readonly repository: ReplicasRepository) {}

  /**
   * Waits two seconds at most; not at all for a replica that is no longer live, because it would not answer. Counts
   * every replica that may still act on what was before, by what it said of itself at its last beat.
   *
   * @param changeId null when nothing had to be announced.
   * @param window `live`: replicas with a recent beat, for changes that end nothing. `alone`: also those that could
   *   reach neither PostgreSQL nor Redis since, for what Redis was told to end. `stale`: also those that could reach
   *   Redis, for what it was not told.
   *
   * Rejects with the driver's error when PostgreSQL goes away meanwhile: the change stands all the same.
   */
  async of(changeId: string | null, window: WaitingWindow): Promise<Receipt> {
    if (changeId === null) return { everywhere: true };
    const until = performance.now() + WAIT_MS;
    for (;;) {
      const told = this.#next(changeId);
      const silent = await this.repository.silent(changeId, window);
      if (silent.length === 0) return { everywhere: true };
      const mayAnswer = silent.some(({ silentSeconds }) => silentSeconds < LIVE_SECONDS);
      if (!mayAnswer || performance.now() >= until) return pending(silent, window);
      await told;
    }
  }

  /** A replica has confirmed a change: whoever waits for it looks again. */
  confirmed(changeId: string): void {
    this.#waiting.get(changeId)?.();
  }

  /** Resolves when somebody confirms the change, or when it is time to look anyway. */
  #next(changeId: string): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        if (this.#waiting.get(changeId) === done) this.#waiting.delete(changeId);
        resolve();
      };
      const timer = setTimeout(done, LOOK_MS);
      this.#waiting.set(changeId, done);
    });
  }
}

function pending(silent: readonly SilentReplica[], window: WaitingWindow): Receipt {
  const bounds = silent.map(({ silentSeconds, aloneSeconds, staleSeconds }) => {
    const whole = { live: LIVE_SECONDS, alone: aloneSeconds, stale: staleSeconds }[window];
    // A replica that still beats starts its windows when it beats for the last time.
    return silentSeconds < LIVE_SECONDS ? whole : whole - silentSeconds;
  });
  return { everywhere: false, replicas: silent.length, boundedBySeconds: Math.ceil(Math.max(1, ...bounds)) };
}
