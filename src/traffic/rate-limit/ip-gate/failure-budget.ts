import { LRUCache } from 'lru-cache';
import type { AttemptBudget } from '../../../platform/config/attempt-budget.js';
import type { RedisService } from '../../../platform/redis/redis.service.js';
import { redisKey } from '../../../platform/redis/redis-key.js';
import type { ReplicaRegistry } from '../../../platform/replicas/replica-registry.service.js';
import { DECIDE_ATTEMPT, TAKE_ATTEMPT } from './failure-budget.script.js';
import { LocalBudgets } from './local-budgets.js';
import { WaitingLine } from './waiting-line.js';

/** One attempt taken from a budget. Exactly one of the two is to be called in the end, once. */
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

/** A budget that was found empty; times on the monotonic clock. */
interface Spent {
  /** When there is one attempt again, unless one is given back before. */
  readonly until: number;
  /** How long this is believed without asking again, so that a flood does not become Redis's load. */
  readonly knownUntil: number;
  /** Some of it may be given back yet. */
  readonly undecided: boolean;
}

const TRIES = 2;
const MAX_WAIT_MS = 2_000;
const ASK_AGAIN_MS = 100;
const BELIEVE_SPENT_MS = 1_000;
const MAX_REMEMBERED = 50_000;

/**
 * A number of failed attempts per subject and time, as a token bucket. An attempt is taken before it is made, in one
 * atomic step, and given back when it was right; so however many come at once, on however many replicas, no more than
 * the budget are made that fail.
 *
 * Attempts taken and not yet decided would make a burst of right ones look like a spent budget: whoever comes while
 * there are some waits for them, two seconds and a thousand callers a subject at most.
 *
 * Redis holds the buckets, so that replicas share them. While it is away each replica has its share of the budget, and
 * at least one attempt; with no `REDIS_URL`, the whole. An attempt that Redis took but confirmed too late stays spent.
 */
export class FailureBudget {
  readonly #local = new LocalBudgets();
  readonly #line = new WaitingLine();
  /** Attempts of this process that are not decided. */
  readonly #undecided = new Map<string, number>();
  readonly #spent = new LRUCache<string, Spent>({ max: MAX_REMEMBERED });
  readonly #asking = new Map<string, Promise<Reservation | Spent>>();
  readonly #windowMs: number;

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
      const outcome = this.#known(subject) ?? (await this.#ask(subject));
      if ('giveBack' in outcome) return outcome;
      const leftMs = deadline - performance.now();
      const waited =
        outcome.undecided && leftMs > 0 && (await this.#line.wait(subject, Math.min(leftMs, ASK_AGAIN_MS)));
      if (!waited) {
        throw new BudgetSpentError(Math.max(1, Math.ceil((outcome.until - performance.now()) / 1000)));
      }
    }
  }

  /** What needs no asking: a budget found spent a moment ago, or wholly taken by attempts of this process. */
  #known(subject: string): Spent | null {
    const now = performance.now();
    const spent = this.#spent.get(subject);
    if (spent !== undefined && spent.knownUntil > now) return spent;
    if ((this.#undecided.get(subject) ?? 0) < this.budget.attempts) return null;
    return { until: now, knownUntil: now, undecided: true };
  }

  /** Takes one, one caller after the other where the budget was found spent: else all that wait would ask at once. */
  async #ask(subject: string): Promise<Reservation | Spent> {
    if (!this.#spent.has(subject)) return this.#take(subject);
    const other = this.#asking.get(subject);
    if (other !== undefined) {
      await other;
      return this.#known(subject) ?? this.#ask(subject);
    }
    const asking = this.#take(subject).finally(() => this.#asking.delete(subject));
    this.#asking.set(subject, asking);
    return asking;
  }

  async #take(subject: string): Promise<Reservation | Spent> {
    // Redis that is away is not asked at all. One slow answer is not that, and no reason for a budget of one's own.
    for (let tries = 0; tries < TRIES && this.redis.usable; tries += 1) {
      const answer = await this.#takeFromRedis(subject);
      if (answer !== null) return answer;
    }
    return this.#takeLocally(subject);
  }

  async #takeFromRedis(subject: string): Promise<Reservation | Spent | null> {
    const unitMs = this.#windowMs / this.budget.attempts;
    try {
      const answer = await this.redis.run(TAKE_ATTEMPT, this.#keys(subject), this.#words(unitMs));
      const [taken, micros, undecided] = answer as [number, number, number];
      const fullInMs = micros / 1000;
      this.#local.note(subject, fullInMs, performance.now());
      if (taken === 1) return this.#reservation(subject, unitMs, true);
      return this.#noteSpent(subject, fullInMs + unitMs - this.#windowMs, undecided > 0);
    } catch {
      return null;
    }
  }

  #takeLocally(subject: string): Reservation | Spent {
    const share = this.redis.configured ? Math.floor(this.budget.attempts / this.registry.live) : this.budget.attempts;
    const unitMs = this.#windowMs / Math.max(1, share);
    const { taken, fullInMs } = this.#local.take(subject, unitMs, this.#windowMs, performance.now());
    if (taken) return this.#reservation(subject, unitMs, false);
    return this.#noteSpent(subject, fullInMs + unitMs - this.#windowMs, this.#undecided.has(subject));
  }

  #noteSpent(subject: string, forMs: number, undecided: boolean): Spent {
    const now = performance.now();
    const believeMs = Math.min(forMs, undecided ? ASK_AGAIN_MS : BELIEVE_SPENT_MS);
    const spent = { until: now + forMs, knownUntil: now + believeMs, undecided };
    this.#spent.set(subject, spent);
    return spent;
  }

  #reservation(subject: string, unitMs: number, shared: boolean): Reservation {
    this.#undecided.set(subject, (this.#undecided.get(subject) ?? 0) + 1);
    const decide = async (right: boolean) => {
      if (right) this.#local.giveBack(subject, unitMs, shared ? 'shared' : 'here');
      if (shared) {
        const words = [...this.#words(unitMs), right ? 1 : 0];
        await this.redis.run(DECIDE_ATTEMPT, this.#keys(subject), words).catch(() => undefined);
      }
      this.#decided(subject, right);
    };
    return { giveBack: () => void decide(true), keepSpent: () => void decide(false) };
  }

  #decided(subject: string, right: boolean): void {
    const left = (this.#undecided.get(subject) ?? 1) - 1;
    if (left > 0) this.#undecided.set(subject, left);
    else this.#undecided.delete(subject);
    if (right) {
      this.#spent.delete(subject);
      this.#line.wakeOne(subject);
    } else if (left === 0) {
      this.#line.wakeAll(subject);
    }
  }

  #keys(subject: string): readonly string[] {
    return [redisKey.bucket(subject, this.name), redisKey.bucket(subject, `${this.name}_undecided`)];
  }

  #words(unitMs: number): readonly number[] {
    return [Math.floor(unitMs * 1000), this.#windowMs * 1000];
  }
}
