import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { ClientAuth, CredentialFence, KeyOwner } from '../../kernel/auth-state.js';
import { Settings } from '../../platform/config/settings.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { redisKey } from '../../platform/redis/redis-key.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { VersionFences } from '../../platform/replicas/version-fences.js';
import type { CachedCredential } from './cached-credential.js';
import { CredentialSeal } from './credential-seal.js';

/** An entry as this process remembers it, with the parts every warm request needs made once. */
export interface RememberedCredential {
  readonly credential: CachedCredential;
  readonly client: ClientAuth;
  /** Null when it was never written to Redis: good for this process only. */
  readonly fence: CredentialFence | null;
}

const MAX_REMEMBERED = 50_000;
/** Far longer than any reader can take from its read to its write. */
const FENCE_TTL_MS = 24 * 3600 * 1000;

/** Refuses an entry that was read before the fence was raised. */
const PUT_SCRIPT = {
  name: 'credentialPut',
  keys: 2,
  lua: `
local fence = tonumber(redis.pcall('GET', KEYS[2])) or 0
if fence > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`,
};

/** Raises the fence, never lowers it, and deletes the entry. */
const FENCE_SCRIPT = {
  name: 'credentialFence',
  keys: 2,
  lua: `
local fence = tonumber(redis.pcall('GET', KEYS[2])) or 0
if tonumber(ARGV[1]) > fence then fence = ARGV[1] end
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return 1`,
};

const CONFIRM_SCRIPT = { name: 'credentialConfirm', keys: 0, lua: 'return 1' };

/**
 * Verified credentials in Redis, and this process's memory of what it read there.
 *
 * With Redis configured the memory is provisional: an entry counts only while Redis still holds it under the same stamp
 * (`CredentialFence`), so deleting the key ends it on every replica at once. Without `REDIS_URL` the memory is the
 * cache. In both, an entry written back by a reader that began before a revocation is refused by the fence, which is a
 * lowest version. Everything is bounded in number.
 */
@Injectable()
export class CredentialCache {
  readonly #remembered: LRUCache<string, RememberedCredential>;
  readonly #fences: VersionFences;
  readonly #ttlMs: number;

  constructor(
    settings: Settings,
    clock: DatabaseClock,
    private readonly redis: RedisService,
    private readonly seal: CredentialSeal,
  ) {
    this.#ttlMs = settings.AUTH_CACHE_TTL_SECONDS * 1000;
    this.#fences = new VersionFences(clock);
    this.#remembered = new LRUCache({ max: MAX_REMEMBERED, ttl: this.#ttlMs });
    for (const script of [PUT_SCRIPT, FENCE_SCRIPT, CONFIRM_SCRIPT]) redis.defineScript(script);
  }

  /** What this process remembers of the client, whatever its age. */
  remembered(clientId: string): RememberedCredential | undefined {
    return this.#remembered.get(clientId);
  }

  /** Slides the expiry of the process's own memory; Redis's is slid by whoever confirms the fence. */
  slide(clientId: string): void {
    this.#remembered.get(clientId, { updateAgeOnGet: true });
  }

  /**
   * The entry in Redis; null when there is none, it is garbage or another's, or older than a revocation this process
   * made (a Redis that fell back to an older copy of itself brings such entries back). @throws RedisUnavailableError
   */
  async fetch(clientId: string): Promise<RememberedCredential | null> {
    const key = redisKey.credential(clientId);
    const text = await this.redis.get(key);
    const opened = text === null ? null : this.seal.open(text, clientId);
    if (opened === null || this.#isFenced(opened.credential)) return null;
    return prepare(opened.credential, { key, stamp: opened.stamp, ttlMs: this.#ttlMs });
  }

  /** Remembers an entry that was fetched. */
  remember(entry: RememberedCredential): void {
    if (this.#isFenced(entry.credential)) return;
    this.#remembered.set(entry.credential.clientId, entry);
  }

  /**
   * Writes an entry to Redis and to memory, unless the client was revoked or changed since it was read. Redis away:
   * memory only.
   */
  async put(credential: CachedCredential): Promise<void> {
    const { clientId, version } = credential;
    if (!this.redis.usable) return this.remember(prepare(credential, null));
    const key = redisKey.credential(clientId);
    const { stamp, text } = this.seal.seal(credential);
    try {
      const written = await this.redis.run(PUT_SCRIPT, [key, redisKey.fence(clientId)], [version, text, this.#ttlMs]);
      if (written === 1) this.remember(prepare(credential, { key, stamp, ttlMs: this.#ttlMs }));
    } catch {
      this.remember(prepare(credential, null));
    }
  }

  /** Whether Redis still holds the entry; slides its expiry. @throws RedisUnavailableError */
  async confirm(fence: CredentialFence): Promise<boolean> {
    return (await this.redis.runFenced(CONFIRM_SCRIPT, fence, [], [])).held;
  }

  /** Forgets what this process remembers of the client. */
  forget(clientId: string): void {
    this.#remembered.delete(clientId);
  }

  /** Forgets everything that this process remembers. */
  forgetAll(): void {
    this.#remembered.clear();
  }

  /** Forgets everything, and lets nothing back in that was read until now. */
  endAll(): void {
    this.#fences.raiseForAll();
    this.forgetAll();
  }

  /** Ends every entry older than `version` in this process, and keeps later writers of one out. */
  raiseLocalFence(clientId: string, version: string): void {
    this.#fences.raise(clientId, version);
    this.forget(clientId);
  }

  /** Ends every entry older than `version` in Redis, and keeps later writers of one out. @throws RedisUnavailableError */
  async raiseFence(clientId: string, version: string): Promise<void> {
    await this.redis.run(
      FENCE_SCRIPT,
      [redisKey.credential(clientId), redisKey.fence(clientId)],
      [version, FENCE_TTL_MS],
    );
  }

  #isFenced(credential: CachedCredential): boolean {
    return this.#fences.isEnded(credential.clientId, credential);
  }
}

/** The state of a client as of an entry; frozen, because all its requests share it. */
export function clientAuthOf(credential: Omit<CachedCredential, 'secrets'>): ClientAuth {
  return Object.freeze({
    kind: 'client',
    method: 'client',
    clientId: credential.clientId,
    tier: credential.tier,
    scopes: Object.freeze([...credential.scopes]),
    owner: ownerOf(credential),
    tokenId: null,
    allowedAddresses: frozen(credential.allowedAddresses),
    allowedModels: frozen(credential.allowedModels),
    allowedProviders: frozen(credential.allowedProviders),
    providerToken: null,
  });
}

/** Its grants are one object for all that the entry answers: what is made of them is remembered by it. */
function ownerOf({ owner }: Pick<CachedCredential, 'owner'>): KeyOwner | null {
  return owner === null ? null : Object.freeze({ userId: owner.userId, grants: Object.freeze([...owner.grants]) });
}

function frozen(list: readonly string[] | null): readonly string[] | null {
  return list === null ? null : Object.freeze([...list]);
}

function prepare(credential: CachedCredential, fence: CredentialFence | null): RememberedCredential {
  return { credential, client: clientAuthOf(credential), fence };
}
