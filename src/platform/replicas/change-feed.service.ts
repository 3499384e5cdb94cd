import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PeriodicService } from '../jobs/periodic.service.js';
import { logError } from '../logging/log-error.js';
import type { Change, Receipt } from './change.js';
import { ChangeReceipts } from './change-receipts.service.js';
import { ReplicaLine } from './replica-line.repository.js';
import { ReplicaRegistry } from './replica-registry.service.js';
import { ReplicasRepository } from './replicas.repository.js';

const POLL_MS = 500;
const CLEAN_MS = 3_600_000;
/** A transaction may commit this long after it began: each poll looks back so far. */
const LOOK_BACK_MS = 60_000;
/** How far back changes are kept; beyond, whatever a replica holds in memory is not to be trusted. */
const KEPT_MS = 24 * 3_600_000;
/** Changes that wait to be applied after all; beyond, everything is reloaded instead. */
const MAX_FAILED = 1_000;

type Apply = (change: Change) => void | Promise<void>;

interface Topic {
  readonly apply: Apply;
  readonly replay: boolean;
}

/**
 * Brings changes that were committed to PostgreSQL into the memory of every replica: by NOTIFY within milliseconds, and
 * by a poll every half second where a notification or a session was lost. A replica confirms a change when it acts on
 * it. While PostgreSQL is away nothing is heard, and nothing can be changed; what was committed while this replica
 * alone was cut off is applied when it is back.
 */
@Injectable()
export class ChangeFeed implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Counted since start. */
  readonly stats = { notified: 0, polled: 0, failures: 0 };
  readonly #topics = new Map<string, Topic>();
  readonly #resyncs: (() => void | Promise<void>)[] = [];
  /** Changes applied, by all that they say, until they are too old to come again; the value is when (monotonic). */
  readonly #applied = new Map<string, number>();
  /** Changes that could not be applied yet. */
  readonly #failed = new Map<string, Change>();
  #unconfirmed: string[] = [];
  #caughtUpTo: number | null = null;

  constructor(
    private readonly registry: ReplicaRegistry,
    private readonly line: ReplicaLine,
    private readonly receipts: ChangeReceipts,
    private readonly periodic: PeriodicService,
    private readonly repository: ReplicasRepository,
  ) {
    this.line.listen({
      changed: (change) => void this.#heard(change),
      confirmed: (changeId) => receipts.confirmed(changeId),
    });
  }

  /**
   * Calls `apply` for every change of a topic, on this replica: at least once, in no certain order, several at a time.
   * What it throws is logged, and the change stays unconfirmed; each poll tries it again until it succeeds. Register
   * while the modules start.
   *
   * @param options.replay the changes of the last day are applied before this replica serves, too.
   */
  on(topic: string, apply: Apply, options: { readonly replay?: boolean } = {}): void {
    this.#topics.set(topic, { apply, replay: options.replay ?? false });
  }

  /** Calls `reload` before this replica serves, and whenever it may have missed what is no longer kept. */
  onResync(reload: () => void | Promise<void>): void {
    this.#resyncs.push(reload);
  }

  /**
   * Waits, two seconds at most, until every live replica acts on a change. While PostgreSQL is away it is unknown how
   * many do not: one is then reported.
   */
  async receipt(changeId: string | null): Promise<Receipt> {
    return this.receipts.of(changeId, 'live').catch(() => ({ everywhere: false, replicas: 1, boundedBySeconds: 5 }));
  }

  async onApplicationBootstrap(): Promise<void> {
    this.periodic.every('hear-changes', POLL_MS, () => this.poll());
    this.periodic.every('forget-changes', CLEAN_MS, () => this.repository.removeOld(), { once: true });
    await this.poll().catch((error: unknown) => logError(error, { context: 'hear-changes', level: 'warn' }));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.line.leave(this.registry.id);
  }

  /** Beats, and applies what was announced since the last time. Rejects when PostgreSQL is away. */
  async poll(): Promise<void> {
    const now = await this.registry.beat();
    const missed = this.#caughtUpTo === null || now - this.#caughtUpTo > KEPT_MS - LOOK_BACK_MS;
    if (missed) {
      await Promise.all(this.#resyncs.map((reload) => reload()));
      this.#failed.clear();
    }
    const replayFrom = now - KEPT_MS;
    const recent = (missed ? now : (this.#caughtUpTo ?? now)) - LOOK_BACK_MS;
    await this.#catchUp(missed ? replayFrom : recent, missed);
    this.#caughtUpTo = this.#failed.size < MAX_FAILED ? now : null;
    this.#forgetApplied();
  }

  async #catchUp(since: number, replaying: boolean): Promise<void> {
    await Promise.all([...this.#failed.values()].map((change) => this.#apply(change)));
    let after = '0';
    for (;;) {
      const page = await this.line.changesSince(since, after);
      const last = page.at(-1);
      if (last === undefined) break;
      const due = page.filter(
        (change) => this.#isNew(change) && (!replaying || this.#topics.get(change.topic)?.replay),
      );
      this.stats.polled += due.length;
      await Promise.all(due.map((change) => this.#apply(change)));
      after = last.id;
    }
    await this.#confirm();
  }

  async #heard(change: Change): Promise<void> {
    if (!this.#isNew(change)) return;
    this.stats.notified += 1;
    await this.#apply(change);
    // A failed confirmation is made up for by the next poll.
    await this.#confirm().catch(() => undefined);
  }

  #isNew(change: Change): boolean {
    const key = keyOf(change);
    return !this.#applied.has(key) && !this.#failed.has(key);
  }

  async #apply(change: Change): Promise<void> {
    const key = keyOf(change);
    try {
      await this.#topics.get(change.topic)?.apply(change);
    } catch (error) {
      this.stats.failures += 1;
      if (!this.#failed.has(key)) logError(error, { context: `apply-${change.topic}`, level: 'warn' });
      if (this.#failed.size < MAX_FAILED) this.#failed.set(key, change);
      return;
    }
    this.#failed.delete(key);
    this.#applied.set(key, performance.now());
    this.#unconfirmed.push(change.id);
  }

  async #confirm(): Promise<void> {
    if (this.#unconfirmed.length === 0) return;
    const ids = this.#unconfirmed;
    this.#unconfirmed = [];
    try {
      await this.line.confirm(this.registry.id, ids);
    } catch (error) {
      this.#unconfirmed.push(...ids);
      throw error;
    }
  }

  #forgetApplied(): void {
    const before = performance.now() - 2 * LOOK_BACK_MS;
    for (const [id, at] of this.#applied) {
      if (at > before) break;
      this.#applied.delete(id);
    }
  }
}

/** A notification that only bears the number of a change to come must not stand for it. */
function keyOf({ id, topic, subject, version }: Change): string {
  return `${id} ${version} ${topic} ${subject}`;
}
