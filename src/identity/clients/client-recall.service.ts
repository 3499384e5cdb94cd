import { Injectable } from '@nestjs/common';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { ClientAuth, CredentialFence } from '../../kernel/auth-state.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type CachedCredential, type CachedTokens, carryDigests, isActive } from './cached-credential.js';
import { CredentialCache, clientAuthOf, type RememberedCredential } from './credential-cache.js';
import { CredentialReader } from './credential-reader.js';

/** A client that proved who it is by other means than its secret. `fence` as in `RequestIdentity`. */
export interface RecalledClient {
  readonly client: ClientAuth;
  readonly tokens: CachedTokens;
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAt: number | null;
  readonly fence: CredentialFence | null;
  /** PostgreSQL could not be asked: good enough to let somebody in, and nobody is refused on it. */
  readonly isStale?: true;
}

/**
 * What is known of a client whose secret nobody presented, because it brings a token of ours: from the same cache as the
 * credential check, under the same fences and bounds (see `CredentialService`).
 */
@Injectable()
export class ClientRecall {
  constructor(
    private readonly clock: DatabaseClock,
    private readonly redis: RedisService,
    private readonly cache: CredentialCache,
    private readonly reader: CredentialReader,
  ) {}

  /** The client if this process remembers it, may go by that, and may let it in; null where others have to be asked. */
  recall(clientId: string): RecalledClient | null {
    const entry = this.cache.remembered(clientId);
    if (entry === undefined) return null;
    const answers = this.redis.configured ? this.redis.usable && entry.fence !== null : this.reader.isInTouch;
    if (!answers || this.reader.isDue(entry.credential, this.clock.now())) return null;
    if (entry.fence === null) this.cache.slide(clientId);
    return this.#admit(entry.credential, entry);
  }

  /**
   * The client as Redis or, where `fromDatabase` or Redis has nothing recent, PostgreSQL has it now, with `fence` null, or
   * `isStale` as it was last known; null for unknown, disabled and expired.
   *
   * @throws AuthUnavailableError when it cannot be known.
   */
  async recallAnew(clientId: string, fromDatabase = false): Promise<RecalledClient | null> {
    const fetched = await this.cache.fetch(clientId).catch(() => null);
    if (!fromDatabase && fetched !== null && !this.reader.isDue(fetched.credential, this.clock.now())) {
      this.cache.remember(fetched);
      return this.#admit(fetched.credential, { client: fetched.client, fence: null });
    }
    const known = fetched ?? this.cache.remembered(clientId) ?? null;
    const mayHold = this.redis.usable || !this.redis.configured;
    const servable = known !== null && this.reader.mayServeStale(known.credential, mayHold) ? known : null;
    const checkedAt = this.clock.now();
    let record = await this.reader.read(clientId, servable !== null);
    if (record === 'unavailable') {
      const stale = servable === null ? 'gone' : await this.#serveStale(servable);
      if (stale !== 'gone') return stale;
      // Slow is not away: where what is known will not do, PostgreSQL is waited for.
      record = servable === null ? record : await this.reader.read(clientId, false);
      if (record === 'unavailable') throw new AuthUnavailableError();
    }
    if (record === null) {
      this.cache.forget(clientId);
      return null;
    }
    const credential = carryDigests({ ...record, checkedAt }, known?.credential);
    await this.cache.put(credential);
    return this.#admit(credential, { client: clientAuthOf(credential), fence: null });
  }

  /** Whether Redis still holds what a provisional answer was built on; false also when Redis cannot be asked. */
  confirm(fence: CredentialFence): Promise<boolean> {
    return this.cache.confirm(fence).catch(() => false);
  }

  async #serveStale(entry: RememberedCredential): Promise<RecalledClient | null | 'gone'> {
    const confirmed = await this.#isConfirmed(entry);
    if (confirmed === 'gone' || !this.reader.mayServeStale(entry.credential, confirmed)) return 'gone';
    const fence = this.redis.usable ? entry.fence : null;
    const served = this.#admit(entry.credential, { client: entry.client, fence });
    return served && { ...served, isStale: true };
  }

  async #isConfirmed({ fence }: RememberedCredential): Promise<boolean | 'gone'> {
    if (!this.redis.configured) return true;
    if (!this.redis.usable) return false;
    if (fence === null) return 'gone';
    return this.cache.confirm(fence).then(
      (held) => held || 'gone',
      () => false,
    );
  }

  #admit(
    credential: CachedCredential,
    { client, fence }: Pick<RecalledClient, 'client' | 'fence'>,
  ): RecalledClient | null {
    const { tokens, expiresAt } = credential;
    return isActive(credential, this.clock.now()) ? { client, tokens, expiresAt, fence } : null;
  }
}
