import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { CredentialFence } from '../../kernel/auth-state.js';
import { Settings } from '../../platform/config/settings.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { redisKey } from '../../platform/redis/redis-key.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { VersionFences } from '../../platform/replicas/version-fences.js';
import type { Principal } from './principal.js';

/** A principal that this process remembers. `fence` as in `RequestIdentity`: not null means provisional. */
export interface RememberedPrincipal {
  readonly principal: Principal;
  readonly fence: CredentialFence | null;
}

const MAX_REMEMBERED = 20_000;

/** Sets the version, never to a lower one; 0 when Redis knows of a higher one. */
const VERSION_SCRIPT = {
  name: 'principalVersion',
  keys: 1,
  lua: `
local value = redis.pcall('GET', KEYS[1])
local held = type(value) == 'string' and tonumber(string.match(value, '^(%d+)|')) or 0
if held > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. '|', 'PX', ARGV[2])
return 1`,
};

const CONFIRM_SCRIPT = { name: 'principalConfirm', keys: 0, lua: 'return 1' };

/**
 * This process's memory of users, and their versions in Redis. Redis holds nothing but the version: what is remembered
 * counts while Redis names the same one, so that a raised version ends it on every replica at once, and nobody who can
 * write to Redis can make an identity of it. Without `REDIS_URL` the memory counts by itself.
 */
@Injectable()
export class PrincipalMemory {
  readonly #remembered: LRUCache<string, RememberedPrincipal>;
  readonly #fences: VersionFences;
  readonly #ttlMs: number;

  constructor(
    settings: Settings,
    clock: DatabaseClock,
    private readonly redis: RedisService,
  ) {
    this.#ttlMs = settings.AUTH_CACHE_TTL_SECONDS * 1000;
    this.#remembered = new LRUCache({ max: MAX_REMEMBERED, ttl: this.#ttlMs });
    this.#fences = new VersionFences(clock);
    for (const script of [VERSION_SCRIPT, CONFIRM_SCRIPT]) redis.defineScript(script);
  }

  /** What this process remembers of the user, whatever its age. */
  get(userId: string): RememberedPrincipal | undefined {
    return this.#remembered.get(userId, { updateAgeOnGet: true });
  }

  /** Remembers what was read, unless the user has changed since. Redis away: in memory only, and not to be relied on. */
  async put(principal: Principal): Promise<void> {
    const { userId, version } = principal;
    if (!this.redis.usable) return this.#remember({ principal, fence: null });
    try {
      if (!(await this.#tellVersion(userId, version))) return;
      const fence = { key: redisKey.principal(userId), stamp: `${version}|`, ttlMs: this.#ttlMs };
      this.#remember({ principal, fence });
    } catch {
      this.#remember({ principal, fence: null });
    }
  }

  /** Whether Redis still names the version of a fence; slides its expiry. @throws RedisUnavailableError */
  async confirm(fence: CredentialFence): Promise<boolean> {
    return (await this.redis.runFenced(CONFIRM_SCRIPT, fence, [], [])).held;
  }

  /** Ends, in this process, whatever is older than `version`. */
  end(userId: string, version: string): void {
    this.#fences.raise(userId, version);
    this.#remembered.delete(userId);
  }

  /** Ends, on every replica that reaches Redis, whatever is older than `version`. @throws RedisUnavailableError */
  async endEverywhere(userId: string, version: string): Promise<void> {
    await this.#tellVersion(userId, version);
  }

  /** Forgets everybody, and lets nothing back in that was read until now. */
  endAll(): void {
    this.#fences.raiseForAll();
    this.#remembered.clear();
  }

  /** Forgets one user. */
  forget(userId: string): void {
    this.#remembered.delete(userId);
  }

  /** Forgets everybody. */
  forgetAll(): void {
    this.#remembered.clear();
  }

  async #tellVersion(userId: string, version: string): Promise<boolean> {
    return (await this.redis.run(VERSION_SCRIPT, [redisKey.principal(userId)], [version, this.#ttlMs])) === 1;
  }

  #remember(entry: RememberedPrincipal): void {
    const { principal } = entry;
    if (!this.#fences.isEnded(principal.userId, principal)) this.#remembered.set(principal.userId, entry);
  }
}
