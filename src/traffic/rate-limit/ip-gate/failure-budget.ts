import { LRUCache } from 'lru-cache';
import type { AttemptBudget } from '../../../platform/config/attempt-budget.js';
import type { RedisService } from '../../../platform/redis/redis.service.js';
import { redisKey } from '../../../platform/redis/redis-key.js';
import type { ReplicaRegistry } from '../../../platform/replicas/replica-registry.service.js';
import { GIVE_ATTEMPT_BACK, TAKE_ATTEMPT } from './failure-budget.script.js';
import { LocalBudgets } from './local-budgets.js';

/** One attempt taken from a budget. Exactly one of the two is to be called in the end. */
export interface Reservation {
  /** The attempt was right: it costs nothing. */
  giveBack(): void;
  /** The attempt was wrong: it stays spent, and comes back with time. */
  keepSpent(): void;
}

/** The budget is spent, and nothing was taken from it. */
export class BudgetSpentError extends Error {
  constructor(readonly retryAfterSeconds: number) {
    super('The budget of failed attempts is spent.');
  }
}

/** Attempts of one subject in this process that are not decided, and callers that wait for one of them. */
interface Line {
  undecided: number;
  readonly waiting: Set<() => void>;
}

const MAX_WAITING = 1_000;
const MAX_WAIT_MS = 2_000;
/** How long a spent budget is not asked for again, so that a flood does not become Redis's load. */
const REMEMBER_SPENT_MS = 1_000;
const MAX_REMEMBERED = 50_000;

/**
 * A number of failed attempts per subject and time, as a token bucket. An attempt is taken before it is made, in one
 * atomic step, and given back when it was right; so however many come at once, no more than the budget are made that
 * fail.
 *
 * Attempts taken and not yet decided would make a burst of right ones look like a spent budget: whoever comes too late
 * waits, two seconds at most, and a thousand callers, until those of this process are decided.
 *
 * Redis holds the buckets, so that replicas share them. While it is away each replica has its share of the budget, and
 * at least one attempt; with no `REDIS_URL`, the whole. One that Redis carried out but answered too late stays spent.
 */
export class FailureBudget {
  readonly #local = new LocalBudgets();
  readonly #lines = new Map<string, Line>();
  /** Subject to the time (monotonic) until which its budget is known to be spent. */
  readonly #spentUntil = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  readonly #windowMs: number;
  /** Attempts given back since start, of all subjects. */
  #returned = 0;

  /** @param name tells this budget's keys apart from others of the same subject. */
  constructor(
    private readonly name: string,
    private readonly budget: AttemptBudget,
    private readonly redis: RedisService,
    private readonly registry: ReplicaRegistry,
  ) {
    this.#windowMs = budget.seconds * 1000;
  }

  /** Takes one attempt of the subject. @throws BudgetSpentError when there is none. */
  async reserve(subject: string): Promise<Reservation> {
    const deadline = performance.now() + MAX_WAIT_MS;
    for (;;) {
      const returned = this.#returned;
      const line = this.#lines.get(subject);
      const full = line !== undefined && line.undecided >= this.budget.attempts;
      const outcome = full ? 0 : await this.#take(subject);
      if (typeof outcome === 'object') return outcome;
      const goOn = this.#returned !== returned && performance.now() < deadline;
      if (!goOn && !(await this.#nextDecision(subject, deadline)))
        throw new BudgetSpentError(Math.max(1, Math.ceil(outcome / 1000)));
    }
  }

  /** Resolves to a reservation, or to how many milliseconds there will be none. */
  async #take(subject: string): Promise<Reservation | number> {
    const spentMs = (this.#spentUntil.get(subject) ?? 0) - performance.now();
    if (spentMs > 0) return spentMs;
    const unitMs = this.#windowMs / this.budget.attempts;
    const fullInMs = await this.#takeFromRedis(subject, unitMs);
    if (fullInMs === null) return this.#takeLocally(subject);
    if (fullInMs >= 0) return this.#reservation(subject, unitMs, true);
    return this.#noteSpent(subject, unitMs - fullInMs - this.#windowMs);
  }

  /** How long the bucket takes to fill up after taking one, negative when there was none; null without Redis. */
  async #takeFromRedis(subject: string, unitMs: number): Promise<number | null> {
    if (!this.redis.usable) return null;
    try {
      const answer = await this.redis.run(TAKE_ATTEMPT, [this.#key(subject)], this.#arguments(unitMs));
      const [taken, micros] = answer as [number, number];
      this.#local.note(subject, micros / 1000, performance.now());
      return taken === 1 ? micros / 1000 : -micros / 1000;
    } catch {
      return null;
    }
  }

  #takeLocally(subject: string): Reservation | number {
    const share = this.redis.configured ? Math.floor(this.budget.attempts / this.registry.live) : this.budget.attempts;
    const unitMs = this.#windowMs / Math.max(1, share);
    const { taken, fullInMs } = this.#local.take(subject, unitMs, this.#windowMs, performance.now());
    if (taken) return this.#reservation(subject, unitMs, false);
    return this.#noteSpent(subject, fullInMs + unitMs - this.#windowMs);
  }

  #noteSpent(subject: string, forMs: number): number {
    this.#spentUntil.set(subject, performance.now() + Math.min(forMs, REMEMBER_SPENT_MS));
    return forMs;
  }

  #reservation(subject: string, unitMs: number, shared: boolean): Reservation {
    const line = this.#lines.get(subject) ?? { undecided: 0, waiting: new Set() };
    this.#lines.set(subject, line);
    line.undecided += 1;
    return {
      giveBack: () => {
        this.#local.giveBack(subject, unitMs, performance.now());
        const given = shared
          ? this.redis.run(GIVE_ATTEMPT_BACK, [this.#key(subject)], this.#arguments(unitMs)).catch(() => undefined)
          : Promise.resolve();
        void given.then(() => {
          this.#spentUntil.delete(subject);
          this.#returned += 1;
          this.#decide(subject, line, 1);
        });
      },
      keepSpent: () => this.#decide(subject, line, 0),
    };
  }

  /** One attempt less is undecided: lets on as many of those that wait as there is room for, all when none is left. */
  #decide(subject: string, line: Line, room: number): void {
    line.undecided -= 1;
    if (line.undecided === 0) this.#lines.delete(subject);
    const woken = line.undecided === 0 ? [...line.waiting] : [...line.waiting].slice(0, room);
    for (const wake of woken) wake();
  }

  /** Waits for an attempt of the subject to be decided; false at once where there is none, or when it takes too long. */
  #nextDecision(subject: string, deadline: number): Promise<boolean> {
    const line = this.#lines.get(subject);
    const leftMs = deadline - performance.now();
    if (line === undefined || line.waiting.size >= MAX_WAITING || leftMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (decided: boolean) => {
        clearTimeout(timer);
        line.waiting.delete(wake);
        resolve(decided);
      };
      const wake = () => settle(true);
      const timer = setTimeout(() => settle(false), leftMs);
      line.waiting.add(wake);
    });
  }

  #key(subject: string): string {
    return redisKey.bucket(subject, this.name);
  }

  #arguments(unitMs: number): readonly number[] {
    return [Math.floor(unitMs * 1000), this.#windowMs * 1000];
  }
}
