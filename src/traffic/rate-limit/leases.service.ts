import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { redisKey } from '../../platform/redis/redis-key.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import { COUNT_LEASES, RELEASE_LEASE, RENEW_LEASES, RENEWED_AT_ONCE, TAKE_LEASE } from './lease.script.js';

const RENEW_EVERY_MS = 3_000;
/** Answers of the script that takes a lease. */
const GRANTED = 1;
const LOST = 2;

/** One place among those a subject may have at once. */
export interface Lease {
  readonly subject: string;
  readonly id: string;
}

/** What came of asking for a place. */
export type LeaseAnswer =
  | { readonly granted: true; readonly lease: Lease }
  | {
      readonly granted: false /** The cap that was enforced: a share of it while Redis is away. */;
      readonly cap: number;
    };

/**
 * How many things a subject has under way at once, over all replicas, as leases in Redis: taken in one atomic call,
 * never more than the cap, renewed every three seconds, given back at the end. The leases of a process that died or was
 * cut off are free again within nine seconds. While Redis is configured and away each replica counts its own against its
 * share, the cap divided by the replicas that live; with no `REDIS_URL` this process counts against the whole cap. When
 * Redis is back, or has lost its data, every replica puts back what it holds: before it takes another place of that
 * subject, and within three seconds. Until all have, a subject may have more than its cap, by what they hold.
 */
@Injectable()
export class LeasesService implements OnModuleInit {
  /** Counted since start: renewals Redis did not answer. */
  readonly stats = { renewalsFailed: 0 };
  readonly #held = new Map<string, Set<string>>();
  readonly #restoring = new Map<string, Promise<void>>();
  #taken = 0;

  constructor(
    private readonly redis: RedisService,
    private readonly registry: ReplicaRegistry,
    private readonly periodic: PeriodicService,
  ) {
    for (const script of [TAKE_LEASE, RENEW_LEASES, RELEASE_LEASE, COUNT_LEASES]) redis.defineScript(script);
  }

  onModuleInit(): void {
    if (!this.redis.configured) return;
    this.periodic.every('renew-leases', RENEW_EVERY_MS, () => this.renew());
    this.redis.onRecovered(() => void this.renew());
  }

  /** Leases this process holds now. */
  get held(): number {
    let held = 0;
    for (const leases of this.#held.values()) held += leases.size;
    return held;
  }

  /** Whether places are given out here although they should be shared. */
  get degraded(): boolean {
    return this.redis.configured && !this.redis.usable;
  }

  /** Takes a place, here and now where no Redis is to be asked. Never rejects. */
  take(subject: string, cap: number): LeaseAnswer | Promise<LeaseAnswer> {
    return this.redis.usable ? this.#takeShared(subject, cap) : this.#takeHere(this.#newLease(subject), cap);
  }

  /** Gives a place back. One that Redis cannot be told of ends by itself. */
  release({ subject, id }: Lease): void {
    const leases = this.#held.get(subject);
    if (leases === undefined || !leases.delete(id)) return;
    if (leases.size === 0) this.#held.delete(subject);
    this.#tellReleased({ subject, id });
  }

  /** How many places a subject has now, over all replicas; in this process, while Redis is away. Changes nothing. */
  async count(subject: string): Promise<number> {
    const here = this.#held.get(subject)?.size ?? 0;
    if (!this.redis.usable) return here;
    const counted = await this.redis.run(COUNT_LEASES, [redisKey.streams(subject)], []).catch(() => here);
    return typeof counted === 'number' ? counted : here;
  }

  /** Renews every lease this process holds. Never rejects: what is not renewed is renewed the next time. */
  async renew(): Promise<void> {
    if (!this.redis.usable) return;
    await Promise.all([...this.#held.keys()].map((subject) => this.#renewOf(subject)));
  }

  async #renewOf(subject: string): Promise<void> {
    await Promise.all(
      chunksOf([...(this.#held.get(subject) ?? [])]).map((ids) =>
        this.redis.run(RENEW_LEASES, [redisKey.streams(subject)], ids).catch(() => {
          this.stats.renewalsFailed += 1;
        }),
      ),
    );
  }

  async #takeShared(subject: string, cap: number): Promise<LeaseAnswer> {
    const lease = this.#newLease(subject);
    let answer = await this.#ask(lease, cap, this.#oneHeld(subject));
    if (answer === LOST) {
      await this.#restore(subject);
      answer = await this.#ask(lease, cap, '');
    }
    if (answer === null) {
      const here = this.#takeHere(lease, cap);
      // Redis may still give it, only late.
      if (!here.granted) this.#tellReleased(lease);
      return here;
    }
    return answer === GRANTED ? this.#hold(lease) : { granted: false, cap };
  }

  /** What the script said; null where Redis could not be asked. */
  async #ask({ subject, id }: Lease, cap: number, held: string): Promise<unknown> {
    const answer = await this.redis.run(TAKE_LEASE, [redisKey.streams(subject)], [id, cap, held]).catch(() => null);
    return Array.isArray(answer) ? answer[0] : null;
  }

  #tellReleased({ subject, id }: Lease): void {
    if (this.redis.usable) this.redis.run(RELEASE_LEASE, [redisKey.streams(subject)], [id]).catch(() => undefined);
  }

  #oneHeld(subject: string): string {
    for (const id of this.#held.get(subject) ?? []) return id;
    return '';
  }

  /** Once for all that find out at the same time. */
  #restore(subject: string): Promise<void> {
    let restoring = this.#restoring.get(subject);
    if (restoring === undefined) {
      restoring = this.#renewOf(subject).finally(() => this.#restoring.delete(subject));
      this.#restoring.set(subject, restoring);
    }
    return restoring;
  }

  /** The lease is the one Redis was asked for: where it was given and only the answer came too late, it counts once. */
  #takeHere(lease: Lease, whole: number): LeaseAnswer {
    const cap = this.redis.configured ? Math.max(Math.floor(whole / this.registry.live), 1) : whole;
    if ((this.#held.get(lease.subject)?.size ?? 0) >= cap) return { granted: false, cap };
    return this.#hold(lease);
  }

  #hold(lease: Lease): LeaseAnswer {
    const leases = this.#held.get(lease.subject);
    if (leases === undefined) this.#held.set(lease.subject, new Set([lease.id]));
    else leases.add(lease.id);
    return { granted: true, lease };
  }

  #newLease(subject: string): Lease {
    this.#taken += 1;
    return { subject, id: `${this.registry.id}:${this.#taken}` };
  }
}

function chunksOf(ids: readonly string[]): string[][] {
  const chunks: string[][] = [];
  for (let start = 0; start < ids.length; start += RENEWED_AT_ONCE)
    chunks.push(ids.slice(start, start + RENEWED_AT_ONCE));
  return chunks;
}
