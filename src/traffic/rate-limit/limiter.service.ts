import { Injectable } from '@nestjs/common';
import type { CredentialFence } from '../../kernel/auth-state.js';
import { Clock } from '../../kernel/clock.js';
import type { RateClass } from '../../kernel/handler-marks.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import type { RedisScript } from '../../platform/redis/redis-script.js';
import type { Taken } from './bucket-policy.js';
import type { BucketSet } from './bucket-set.js';
import { InProcessBuckets } from './in-process-buckets.js';
import { type Decision, decide } from './limit-decision.js';
import { readTaken, takeScripts } from './token-bucket.script.js';

/** The fence did not hold (`lost`) or Redis could not be asked (`unavailable`): nothing was decided. */
export type Undecided = 'lost' | 'unavailable';

/** Counted since start. */
export interface LimiterStats {
  allowed: number;
  refused: Partial<Record<RateClass, number>>;
  /** Decisions made in this process because Redis was away. */
  degraded: number;
  /** Redis calls without a usable answer. */
  redisFailures: number;
  /** Requests whose remembered credential had to be checked anew. */
  fencesLost: number;
}

/**
 * Decides whether a request fits its buckets, in one atomic call, and takes it from all of them or from none.
 *
 * Redis holds the buckets, so that replicas share them. While it is away, and with no `REDIS_URL`, this process's own
 * buckets enforce the same limits; they go on from what Redis last said here. A Redis that lost its data starts with
 * full buckets: at most one quota more, once. A call that Redis carried out but answered too late has spent its units
 * there as well: a caller may get less than its limit around an outage, never the error.
 */
@Injectable()
export class LimiterService {
  readonly stats: LimiterStats = { allowed: 0, refused: {}, degraded: 0, redisFailures: 0, fencesLost: 0 };
  readonly #local = new InProcessBuckets();
  readonly #scripts: readonly RedisScript[];

  constructor(
    private readonly redis: RedisService,
    private readonly clock: Clock,
  ) {
    this.#scripts = takeScripts().map((script) => redis.defineScript(script));
  }

  /** False where no `REDIS_URL` was given: decisions are made here, and that is not degraded. */
  get shared(): boolean {
    return this.redis.configured;
  }

  /** Takes `cost` units. Never rejects: without Redis, this process's buckets decide. */
  async take(subject: string, buckets: BucketSet, cost = 1): Promise<Decision> {
    if (!this.redis.usable) return this.takeLocally(subject, buckets, cost);
    const script = this.#script(buckets);
    try {
      const answer = await this.redis.run(script, buckets.keysOf(subject), buckets.argumentsFor(cost));
      return this.#fromRedis(answer, subject, buckets, cost);
    } catch {
      this.stats.redisFailures += 1;
      return this.takeLocally(subject, buckets, cost);
    }
  }

  /** Takes `cost` units in the same Redis call that checks the fence; nothing is taken if that does not hold. */
  async takeFenced(
    fence: CredentialFence,
    subject: string,
    buckets: BucketSet,
    cost = 1,
  ): Promise<Decision | Undecided> {
    if (!this.redis.usable) return 'unavailable';
    const script = this.#script(buckets);
    try {
      const keys = buckets.keysOf(subject);
      const answer = await this.redis.runFenced(script, fence, keys, buckets.argumentsFor(cost));
      if (answer.held) return this.#fromRedis(answer.result, subject, buckets, cost);
      this.stats.fencesLost += 1;
      return 'lost';
    } catch {
      this.stats.redisFailures += 1;
      return 'unavailable';
    }
  }

  /** Takes `cost` units from this process's buckets. */
  takeLocally(subject: string, buckets: BucketSet, cost = 1): Decision {
    const now = this.#nowMicros();
    return this.#count(decide(buckets, this.#local.take(subject, buckets.policies, cost, now), cost, now, this.shared));
  }

  #fromRedis(answer: unknown, subject: string, buckets: BucketSet, cost: number): Decision {
    const taken: Taken = readTaken(answer, buckets.policies.length);
    const now = this.#nowMicros();
    this.#local.note(subject, buckets.policies, taken.debts, now);
    return this.#count(decide(buckets, taken, cost, now, false));
  }

  #count(decision: Decision): Decision {
    if (decision.degraded) this.stats.degraded += 1;
    if (decision.allowed) this.stats.allowed += 1;
    else this.stats.refused[decision.tightest.class] = (this.stats.refused[decision.tightest.class] ?? 0) + 1;
    return decision;
  }

  #script(buckets: BucketSet): RedisScript {
    const script = this.#scripts[buckets.policies.length - 1];
    if (script === undefined) throw new RangeError(`No script takes ${buckets.policies.length} buckets.`);
    return script;
  }

  #nowMicros(): number {
    return Math.floor(this.clock.now() * 1000);
  }
}
