import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AuthUnavailableError, InvalidApiKeyError } from '../../kernel/app-error.js';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import type { ClientAuth, CredentialFence } from '../../kernel/auth-state.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type ApiKey, parseApiKey, parseClientCredentials } from './api-key.js';
import { type CachedCredential, carryDigests, isActive } from './cached-credential.js';
import { CredentialCache, clientAuthOf, type RememberedCredential } from './credential-cache.js';
import { CredentialReader } from './credential-reader.js';
import { CredentialSeal } from './credential-seal.js';
import { type PresentedSecret, SecretMatcher } from './secret-matcher.js';

/** A client that presented one of its secrets. `fence` as in `RequestIdentity`: not null means provisional. */
export interface VerifiedCredential {
  readonly client: ClientAuth;
  readonly fence: CredentialFence | null;
}

/** A client id and the secret presented with it, well formed and with a right checksum; nothing is known of it yet. */
export type ClientCredential = ApiKey;

/** Subject of a change that concerns every client. */
const ALL_CLIENTS = '*';
const UNKNOWN_IDS = 10_000;
const UNKNOWN_ID_MS = 2_000;

/**
 * The credential check. Redis first; PostgreSQL on a miss or when the entry is due; bcrypt once per secret and hash.
 *
 * | away | behaviour |
 * |---|---|
 * | nothing | a warm request costs one keyed digest here; its fence is confirmed in the request's one Redis call |
 * | Redis | every request reads PostgreSQL (coalesced), bcrypt stays remembered in this process |
 * | PostgreSQL | entries Redis holds are served until recheck bound + 15 min after PostgreSQL confirmed them, others 503 |
 * | both | as without PostgreSQL, from this process's memory |
 */
@Injectable()
export class CredentialService {
  /** Counted since start: how the checks were answered. */
  readonly stats = { memory: 0, redis: 0, database: 0, stale: 0, refused: 0, unavailable: 0 };
  readonly #unknown = new LRUCache<string, true>({ max: UNKNOWN_IDS, ttl: UNKNOWN_ID_MS });
  readonly #puts = new Map<string, Promise<void>>();

  constructor(
    private readonly clock: DatabaseClock,
    private readonly redis: RedisService,
    private readonly cache: CredentialCache,
    private readonly seal: CredentialSeal,
    private readonly matcher: SecretMatcher,
    private readonly reader: CredentialReader,
  ) {}

  /** bcrypt comparisons made since start. */
  get comparisons(): number {
    return this.matcher.comparisons;
  }

  /** Reads an API key without I/O; null when it is malformed or its checksum is wrong. */
  readApiKey(apiKey: string): ClientCredential | null {
    return parseApiKey(apiKey);
  }

  /** Reads an id and secret that came apart, as in Basic authentication, without I/O; null as for `readApiKey`. */
  readPair(clientId: string, clientSecret: string): ClientCredential | null {
    return parseClientCredentials(clientId, clientSecret);
  }

  /**
   * Checks a client's secret. Answers at once, without a promise, when this process remembers it.
   *
   * @throws InvalidApiKeyError for unknown id, wrong secret, disabled, expired and revoked alike, each at the price of
   *   one bcrypt; AuthUnavailableError when it cannot be decided; ServiceUnavailableError when too many hashes wait;
   *   RateLimitedError when too many attempts failed, before anything is hashed.
   */
  verify(
    { clientId, secret }: ClientCredential,
    attempt: AuthAttempt,
  ): VerifiedCredential | Promise<VerifiedCredential> {
    const now = this.clock.now();
    const presented = { clientId, text: secret, digest: this.seal.digest(clientId, secret), attempt };
    const entry = this.cache.remembered(clientId);
    const answers = this.redis.configured ? this.redis.usable && entry?.fence != null : this.reader.isInTouch;
    if (
      entry !== undefined &&
      answers &&
      !this.reader.isDue(entry.credential, now) &&
      this.#accepts(entry, presented, now)
    ) {
      this.stats.memory += 1;
      if (entry.fence === null) this.cache.slide(clientId);
      return entry;
    }
    return this.#verifyWithRedis(clientId, presented);
  }

  /**
   * Checks a client's secret against PostgreSQL now, whatever is remembered; where a fence did not hold, by what another
   * replica has put into Redis since, if it has. (Each replica's new entry breaks the fences of the others: if all of
   * them went to PostgreSQL for it, a client that calls several would not be remembered by any.) Throws as `verify` does.
   *
   * @param broken the fence that did not hold.
   */
  async verifyAnew(
    { clientId, secret }: ClientCredential,
    attempt: AuthAttempt,
    broken: CredentialFence | null = null,
  ): Promise<VerifiedCredential> {
    const presented = { clientId, text: secret, digest: this.seal.digest(clientId, secret), attempt };
    const since = broken === null ? null : await this.cache.fetch(clientId).catch(() => null);
    const now = this.clock.now();
    if (
      since !== null &&
      since.fence?.stamp !== broken?.stamp &&
      !this.reader.isDue(since.credential, now) &&
      this.#accepts(since, presented, now)
    ) {
      this.stats.redis += 1;
      this.cache.remember(since);
      // Redis held it just now, which is all that its fence could say.
      return { client: since.client, fence: null };
    }
    return this.#verifyWithDatabase(clientId, presented, this.cache.remembered(clientId) ?? null);
  }

  /** Whether Redis still holds what a provisional answer was built on; false also when Redis cannot be asked. */
  async confirm(fence: CredentialFence): Promise<boolean> {
    return this.cache.confirm(fence).catch(() => false);
  }

  /** Ends every cached entry of the client older than `version` in this process; `*` stands for all clients. */
  endLocally(clientId: string, version: string): void {
    if (clientId === ALL_CLIENTS) this.cache.endAll();
    else this.cache.raiseLocalFence(clientId, version);
    this.#unknown.delete(clientId);
  }

  /** Forgets everything this process remembers: for when it may have missed a change. */
  forgetAll(): void {
    this.cache.forgetAll();
    this.#unknown.clear();
  }

  async #verifyWithRedis(clientId: string, presented: PresentedSecret): Promise<VerifiedCredential> {
    if (this.#unknown.has(clientId)) return this.#refuse(presented, false);
    const entry = await this.cache.fetch(clientId).catch(() => null);
    if (entry === null) return this.#verifyWithDatabase(clientId, presented, this.cache.remembered(clientId) ?? null);
    if (this.reader.isDue(entry.credential, this.clock.now()))
      return this.#verifyWithDatabase(clientId, presented, entry);

    const { secret, hashed } = await this.#match(entry.credential, presented);
    this.stats.redis += 1;
    if (hashed) await this.#putOnce(withDigest(entry.credential, secret.id, presented.digest), presented.digest);
    else this.cache.remember(entry);
    return hashed ? { client: entry.client, fence: null } : entry;
  }

  async #verifyWithDatabase(
    clientId: string,
    presented: PresentedSecret,
    fallback: RememberedCredential | null,
  ): Promise<VerifiedCredential> {
    const mayHold = this.redis.usable || !this.redis.configured;
    const servable = fallback !== null && this.reader.mayServeStale(fallback.credential, mayHold) ? fallback : null;
    const checkedAt = this.clock.now();
    const read = await this.reader.read(clientId, servable !== null);
    if (read === 'unavailable') return this.#verifyStale(presented, servable);
    if (read === null) {
      this.#unknown.set(clientId, true);
      this.cache.forget(clientId);
      return this.#refuse(presented, false);
    }
    const credential = carryDigests({ ...read, checkedAt }, fallback?.credential);
    const { secret } = await this.#match(credential, presented);
    this.stats.database += 1;
    await this.#putOnce(withDigest(credential, secret.id, presented.digest), presented.digest);
    return { client: clientAuthOf(credential), fence: null };
  }

  async #verifyStale(presented: PresentedSecret, servable: RememberedCredential | null): Promise<VerifiedCredential> {
    const held = servable === null ? 'gone' : await this.#askRedis(servable);
    if (servable === null || held === 'gone' || !this.reader.mayServeStale(servable.credential, held === 'held')) {
      this.stats.unavailable += 1;
      throw new AuthUnavailableError();
    }
    await this.#match(servable.credential, presented);
    this.stats.stale += 1;
    this.cache.remember(servable);
    return { client: servable.client, fence: this.redis.usable ? servable.fence : null };
  }

  /**
   * Whether Redis still holds an entry: what was revoked does not come back because PostgreSQL is away. `unknown` where
   * it cannot be asked or does not answer: this process's memory then stands in for it, for as long as a replica that
   * reaches neither may. Without one configured there is nothing that could hold it no more.
   */
  async #askRedis({ fence }: RememberedCredential): Promise<'held' | 'gone' | 'unknown'> {
    if (!this.redis.configured) return 'held';
    if (!this.redis.usable) return 'unknown';
    if (fence === null) return 'gone';
    return this.cache.confirm(fence).then(
      (held) => (held ? 'held' : 'gone'),
      () => 'unknown',
    );
  }

  /** One bcrypt for every refusal, so that none can be told from another by its time. */
  async #refuse(presented: PresentedSecret, hashed: boolean, usedFrom: readonly string[] = []): Promise<never> {
    this.stats.refused += 1;
    if (!hashed) await this.matcher.spend(presented, usedFrom);
    throw new InvalidApiKeyError();
  }

  #accepts({ credential }: RememberedCredential, presented: PresentedSecret, now: number): boolean {
    const secret = this.matcher.known(credential.secrets, presented.digest, now);
    if (secret === null || !isActive(credential, now)) return false;
    this.reader.noteUse(secret.id, presented.attempt);
    return true;
  }

  /** Which secret of an active client was presented, and that it was used; throws the refusal where none was. */
  async #match(credential: CachedCredential, presented: PresentedSecret) {
    const { usedFrom } = credential;
    const { secret, hashed } = await this.matcher.match(credential.secrets, presented, this.clock.now(), usedFrom);
    if (secret === null || !isActive(credential, this.clock.now())) return this.#refuse(presented, hashed, usedFrom);
    this.reader.noteUse(secret.id, presented.attempt);
    return { secret, hashed };
  }

  /** Writes an entry once for all callers that verified the same secret of the same version at once. */
  #putOnce(credential: CachedCredential, digest: string): Promise<void> {
    const key = `${credential.clientId}${credential.version}${digest}`;
    let put = this.#puts.get(key);
    if (put === undefined) {
      put = this.cache.put(credential).finally(() => this.#puts.delete(key));
      this.#puts.set(key, put);
    }
    return put;
  }
}

function withDigest(credential: CachedCredential, secretId: string, digest: string): CachedCredential {
  return {
    ...credential,
    secrets: credential.secrets.map((secret) => (secret.id === secretId ? { ...secret, digest } : secret)),
  };
}
