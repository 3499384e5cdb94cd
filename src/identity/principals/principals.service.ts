import { Injectable } from '@nestjs/common';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { CredentialFence } from '../../kernel/auth-state.js';
import { Settings } from '../../platform/config/settings.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { PatientReader } from '../../platform/replicas/patient-reader.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import type { Principal, PrincipalRecord } from './principal.js';
import { PrincipalMemory, type RememberedPrincipal } from './principal-memory.js';
import { PrincipalsRepository } from './principals.repository.js';

export type { Principal, PrincipalSession } from './principal.js';

/** A user as of now. `fence` as in `RequestIdentity`: not null means provisional. */
export interface ResolvedPrincipal extends RememberedPrincipal {
  /** PostgreSQL could not be asked: good enough to let somebody in, and nobody is refused on it. */
  readonly isStale?: true;
}

/** Subject of a change that concerns every user. */
const ALL_USERS = '*';

/**
 * What is known of a user while deciding on a request: status, grants, live sessions, revoked tokens; one record under
 * one version.
 *
 * | away | behaviour |
 * |---|---|
 * | nothing | from this process's memory; the fence is confirmed in the request's one Redis call |
 * | Redis | every request reads PostgreSQL (coalesced) |
 * | PostgreSQL | what Redis still names is served until recheck bound + 15 min after PostgreSQL confirmed it, others 503 |
 * | both | from memory, for as long as this replica told the others that it might |
 */
@Injectable()
export class PrincipalsService {
  /** Counted since start: how users were found. */
  readonly stats = { memory: 0, database: 0, stale: 0, unavailable: 0 };
  readonly #reader: PatientReader<PrincipalRecord | null>;

  constructor(
    settings: Settings,
    private readonly clock: DatabaseClock,
    private readonly redis: RedisService,
    private readonly memory: PrincipalMemory,
    repository: PrincipalsRepository,
    registry: ReplicaRegistry,
  ) {
    this.#reader = new PatientReader(
      (userId, now) => repository.find(userId, now),
      settings.AUTH_CACHE_RECHECK_SECONDS,
      clock,
      registry,
    );
  }

  /**
   * The user; at once, without a promise, when this process remembers it; null when there is none.
   *
   * @throws AuthUnavailableError when it cannot be known.
   */
  resolve(userId: string): ResolvedPrincipal | Promise<ResolvedPrincipal | null> {
    const known = this.recall(userId);
    return known ?? this.#read(userId);
  }

  /** The user if this process remembers it and may go by that; null where PostgreSQL would have to be asked. */
  recall(userId: string): ResolvedPrincipal | null {
    const entry = this.memory.get(userId);
    if (entry === undefined) return null;
    const answers = this.redis.configured ? this.redis.usable && entry.fence !== null : this.#reader.isInTouch;
    if (!answers || this.#reader.isDue(entry.principal.checkedAt, this.clock.now())) return null;
    this.stats.memory += 1;
    return entry;
  }

  /**
   * The user as PostgreSQL has it now, with `fence` null, or `isStale` as it was last known; null when there is none.
   *
   * @param staleWillDo false: only what PostgreSQL says now, waited for as long as the pool waits.
   * @throws AuthUnavailableError
   */
  resolveAnew(userId: string, staleWillDo = true): Promise<ResolvedPrincipal | null> {
    return this.#read(userId, staleWillDo);
  }

  /** The user, as certain as it can be made; null when there is none. @throws AuthUnavailableError */
  async current(userId: string): Promise<Principal | null> {
    const found = await this.resolve(userId);
    if (found === null || found.fence === null || (await this.confirm(found.fence))) return found?.principal ?? null;
    return (await this.#read(userId))?.principal ?? null;
  }

  /** Whether Redis still names the version that was remembered; false also when Redis cannot be asked. */
  confirm(fence: CredentialFence): Promise<boolean> {
    return this.memory.confirm(fence).catch(() => false);
  }

  /** Ends what this process remembers of a user from before `version`; `*` stands for all users. */
  endLocally(userId: string, version: string): void {
    if (userId === ALL_USERS) this.memory.endAll();
    else this.memory.end(userId, version);
  }

  /** Forgets everything this process remembers: for when it may have missed a change. */
  forgetAll(): void {
    this.memory.forgetAll();
  }

  async #read(userId: string, staleWillDo = true): Promise<ResolvedPrincipal | null> {
    const entry = staleWillDo ? this.memory.get(userId) : undefined;
    const mayHold = this.redis.usable || !this.redis.configured;
    const servable =
      entry !== undefined && this.#reader.mayServeStale(entry.principal.checkedAt, mayHold) ? entry : undefined;
    const checkedAt = this.clock.now();
    const record = await this.#reader.read(userId, servable !== undefined);
    // Slow is not away: where what is remembered will not do, PostgreSQL is waited for.
    if (record === 'unavailable') return (await this.#serveStale(servable)) ?? this.#readPatiently(userId, servable);
    if (record === null) {
      this.memory.forget(userId);
      return null;
    }
    this.stats.database += 1;
    const principal = Object.freeze({ ...record, grants: Object.freeze(record.grants), checkedAt });
    await this.memory.put(principal);
    return { principal, fence: null };
  }

  #readPatiently(userId: string, servable: RememberedPrincipal | undefined): Promise<ResolvedPrincipal | null> {
    if (servable !== undefined) return this.#read(userId, false);
    this.stats.unavailable += 1;
    throw new AuthUnavailableError();
  }

  async #serveStale(entry: RememberedPrincipal | undefined): Promise<ResolvedPrincipal | null> {
    const held = entry === undefined ? 'gone' : await this.#askRedis(entry);
    const checkedAt = entry?.principal.checkedAt ?? 0;
    if (entry === undefined || held === 'gone' || !this.#reader.mayServeStale(checkedAt, held === 'held')) return null;
    this.stats.stale += 1;
    return { principal: entry.principal, fence: this.redis.usable ? entry.fence : null, isStale: true };
  }

  /** As for credentials: without Redis configured there is nothing that could know better. */
  async #askRedis({ fence }: RememberedPrincipal): Promise<'held' | 'gone' | 'unknown'> {
    if (!this.redis.configured) return 'held';
    if (!this.redis.usable) return 'unknown';
    if (fence === null) return 'gone';
    return this.memory.confirm(fence).then(
      (held) => (held ? 'held' : 'gone'),
      () => 'unknown',
    );
  }
}
