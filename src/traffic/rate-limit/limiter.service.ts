import { Injectable } from '@nestjs/common';
import type { CredentialFence } from '../../kernel/auth-state.js';
import { Clock } from '../../kernel/clock.js';
import type { RateClass } from '../../kernel/handler-marks.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import type { RedisScript } from '../../platform/redis/redis-script.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import type { Taken } from './bucket-policy.js';
import type { BucketSet } from './bucket-set.js';
import { InProcessBuckets } from './in-process-buckets.js';
import { type Decision, decide, foresee } from './limit-decision.js';
import { giveBackScripts, peekArguments, peekScripts, readTaken, takeScripts } from './token-bucket.script.js';

/** The fence did not hold (`lost`) or Redis could not be asked (`unavailable`): nothing was decided. */
export type Undecided = 'lost' | 'unavailable';

/** Counted since start. */
export interface LimiterStats {
  allowed: number;
  refused: Partial<Record<RateClass, number>>;
  /** Requests that were allowed and that a bucket in shadow would have refused, by its class. */
  wouldHaveRefused: Partial<Record<RateClass, number>>;
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
 * Redis holds the buckets, so that replicas share them. With no `REDIS_URL` this process's own buckets enforce the whole
 * limits. While Redis is configured and away, each replica enforces its share of them, the limit divided by the replicas
 * that live, and goes on from what Redis last said here; an outage is then worth at most one more limit, over all
 * replicas together, besides what Redis's own buckets hold when it is back. A Redis that lost its data starts with full
 * buckets: at most one quota more, once. A call that Redis carried out but answered too late has spent its units there
 * as well: a caller may get less than its limit around an outage, never the error.
 */
@Injectable()
export class LimiterService {
  readonly stats: LimiterStats = {
    allowed: 0,
    refused: {},
    wouldHaveRefused: {},
    degraded: 0,
    redisFailures: 0,
    fencesLost: 0,
  };
  readonly #local = new InProcessBuckets();
  readonly #scripts: readonly RedisScript[];
  readonly #peeks: readonly RedisScript[];
  readonly #giveBacks: readonly RedisScript[];

  constructor(
    private readonly redis: RedisService,
    private readonly clock: Clock,
    private readonly databaseClock: DatabaseClock,
    private readonly registry: ReplicaRegistry,
  ) {
    this.#scripts = takeScripts().map((script) => redis.defineScript(script));
    this.#peeks = peekScripts().map((script) => redis.defineScript(script));
    this.#giveBacks = giveBackScripts().map((script) => redis.defineScript(script));
  }

  /** False where no `REDIS_URL` was given: decisions are made here, and that is not degraded. */
  get shared(): boolean {
    return this.redis.configured;
  }

  /** Whether decisions, or some of them, are made here although they should be shared. */
  get degraded(): boolean {
    return this.redis.configured && this.redis.state !== 'up';
  }

  /** Takes what so many requests need. Never rejects: without Redis, this process's buckets decide. */
  async take(subject: string, buckets: BucketSet, requests = 1): Promise<Decision> {
    if (!this.redis.usable) return this.takeLocally(subject, buckets, requests);
    try {
      const script = scriptFor(this.#scripts, buckets);
      const answer = await this.redis.run(script, buckets.keysOf(subject), buckets.argumentsFor(requests));
      return this.#fromRedis(answer, subject, buckets, requests);
    } catch {
      this.stats.redisFailures += 1;
      return this.takeLocally(subject, buckets, requests);
    }
  }

  /** Takes what a request needs in the same Redis call that checks the fence; nothing if that does not hold. */
  async takeFenced(fence: CredentialFence, subject: string, buckets: BucketSet): Promise<Decision | Undecided> {
    if (!this.redis.usable) return 'unavailable';
    try {
      const script = scriptFor(this.#scripts, buckets);
      const answer = await this.redis.runFenced(script, fence, buckets.keysOf(subject), buckets.argumentsFor(1));
      if (answer.held) return this.#fromRedis(answer.result, subject, buckets, 1);
      this.stats.fencesLost += 1;
      return 'lost';
    } catch {
      this.stats.redisFailures += 1;
      return 'unavailable';
    }
  }

  /** Takes what so many requests need from this process's buckets, its share of the limit where others exist. */
  takeLocally(subject: string, buckets: BucketSet, requests = 1): Decision {
    const set = this.#localSet(buckets);
    const taken = this.#local.take(subject, set.policies, requests, this.#nowMicros());
    return this.#count(this.#decide(set, taken, requests, this.shared));
  }

  /**
   * Gives back what a request took that was refused afterwards: a refusal spends nothing. Buckets in shadow have counted
   * it all the same. It goes back where it came from, or a Redis that comes and goes would make units of nothing. Never
   * rejects: what Redis cannot be told of flows back by itself, and null is returned.
   *
   * @param degraded as of the decision that took it.
   */
  async giveBack(subject: string, { enforced }: BucketSet, degraded = false): Promise<Decision | null> {
    if (enforced === null) return null;
    if (this.shared && !degraded) return this.#giveBackToRedis(subject, enforced);
    const set = this.#localSet(enforced);
    const debts = this.#local.giveBack(subject, set.policies, this.#nowMicros());
    return this.#decide(set, { allowed: true, debts, lacking: 0 }, 1, this.shared);
  }

  /**
   * What would be decided on so many requests now, with no effect at all: no bucket's value or expiry changes, and
   * nothing is counted. Never rejects.
   */
  async foresee(subject: string, buckets: BucketSet, requests: number): Promise<Decision> {
    if (this.redis.usable) {
      try {
        const script = scriptFor(this.#peeks, buckets);
        const answer = await this.redis.run(script, buckets.keysOf(subject), peekArguments(buckets.policies));
        const { debts } = readTaken(answer, buckets.policies.length);
        return this.#decide(buckets, foresee(buckets, debts, requests), requests, false);
      } catch {
        this.stats.redisFailures += 1;
      }
    }
    const set = this.#localSet(buckets);
    const debts = this.#local.peek(subject, set.policies, this.#nowMicros());
    return this.#decide(set, foresee(set, debts, requests), requests, this.shared);
  }

  async #giveBackToRedis(subject: string, set: BucketSet): Promise<Decision | null> {
    if (!this.redis.usable) return null;
    try {
      const script = scriptFor(this.#giveBacks, set);
      const answer = await this.redis.run(script, set.keysOf(subject), set.argumentsFor(1));
      return this.#decide(set, readTaken(answer, set.policies.length), 1, false);
    } catch {
      this.stats.redisFailures += 1;
      return null;
    }
  }

  #fromRedis(answer: unknown, subject: string, buckets: BucketSet, requests: number): Decision {
    const taken: Taken = readTaken(answer, buckets.policies.length);
    this.#local.note(subject, buckets.policies, taken.debts, this.#nowMicros());
    return this.#count(this.#decide(buckets, taken, requests, false));
  }

  #localSet(buckets: BucketSet): BucketSet {
    return this.shared ? buckets.share(this.registry.live) : buckets;
  }

  #decide(set: BucketSet, taken: Taken, requests: number, degraded: boolean): Decision {
    return decide(set, taken, requests, this.databaseClock.now() * 1000, degraded);
  }

  #count(decision: Decision): Decision {
    const { stats } = this;
    if (decision.degraded) stats.degraded += 1;
    if (!decision.allowed) increment(stats.refused, decision.tightest.class);
    else {
      stats.allowed += 1;
      for (const bucket of decision.buckets) if (bucket.lacking) increment(stats.wouldHaveRefused, bucket.class);
    }
    return decision;
  }

  #nowMicros(): number {
    return Math.floor(this.clock.now() * 1000);
  }
}

function scriptFor(scripts: readonly RedisScript[], buckets: BucketSet): RedisScript {
  const script = scripts[buckets.policies.length - 1];
  if (script === undefined) throw new RangeError(`No script takes ${buckets.policies.length} buckets.`);
  return script;
}

function increment(counts: Partial<Record<RateClass, number>>, rateClass: RateClass): void {
  counts[rateClass] = (counts[rateClass] ?? 0) + 1;
}
