import { Injectable } from '@nestjs/common';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import { Settings } from '../../platform/config/settings.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { ReplicaRegistry, STALE_GRACE_SECONDS } from '../../platform/replicas/replica-registry.service.js';
import type { CachedCredential, CredentialRecord } from './cached-credential.js';
import { ClientsRepository } from './clients.repository.js';
import { CoalescedReader } from './coalesced-reader.js';
import { SecretUses } from './secret-uses.js';

/** What a request that could be answered without PostgreSQL waits for it. */
const PATIENCE_WITH_FALLBACK_MS = 500;
/** How long requests that could be answered without it leave PostgreSQL alone after a failure. */
const REST_AFTER_FAILURE_MS = 1_000;

/** Reads clients for authentication: coalesced, bounded in time, and honest about not knowing. */
@Injectable()
export class CredentialReader {
  readonly #reads: CoalescedReader<CredentialRecord | null>;
  readonly #recheckMs: number;
  readonly #staleMs: number;
  #restUntil = 0;

  constructor(
    settings: Settings,
    private readonly clock: DatabaseClock,
    repository: ClientsRepository,
    private readonly uses: SecretUses,
    private readonly registry: ReplicaRegistry,
  ) {
    this.#recheckMs = settings.AUTH_CACHE_RECHECK_SECONDS * 1000;
    this.#staleMs = this.#recheckMs + STALE_GRACE_SECONDS * 1000;
    this.#reads = new CoalescedReader((clientId) => repository.findForAuthentication(clientId, new Date(clock.now())));
  }

  /**
   * The client as PostgreSQL has it at some moment after this call; null when there is none.
   *
   * @param hasFallback the caller can do without: it waits half a second at most, and not at all for a second after a
   *   failure. Otherwise the wait is the pool's (two seconds for a connection, three for an answer).
   */
  async read(clientId: string, hasFallback: boolean): Promise<CredentialRecord | null | 'unavailable'> {
    if (hasFallback && this.clock.now() < this.#restUntil) return 'unavailable';
    const outcome = this.#reads.read(clientId).catch(() => 'unavailable' as const);
    const read = hasFallback ? await withPatience(outcome) : await outcome;
    if (read === 'unavailable') this.#restUntil = this.clock.now() + REST_AFTER_FAILURE_MS;
    return read;
  }

  /** Notes that a secret was right, without keeping anybody waiting. */
  noteUse(secretId: string, attempt: AuthAttempt): void {
    this.uses.note(secretId, attempt);
  }

  /** Whether every change still reaches this replica's memory: others wait for its receipts. */
  get isInTouch(): boolean {
    return this.registry.hasLease;
  }

  /**
   * Whether an entry is young enough to be served while PostgreSQL is away, and this replica not cut off for longer than
   * it told the others it might serve.
   *
   * @param confirmed Redis, which is told of revocations, still says that the entry holds, or there is none to ask.
   */
  mayServeStale(credential: CachedCredential, confirmed: boolean): boolean {
    const silentMs = this.registry.silentMs;
    return (
      this.clock.now() - credential.checkedAt <= this.#staleMs &&
      silentMs <= (confirmed ? this.#staleMs : this.#recheckMs)
    );
  }
}

function withPatience<T>(outcome: Promise<T>): Promise<T | 'unavailable'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('unavailable'), PATIENCE_WITH_FALLBACK_MS);
    void outcome.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
