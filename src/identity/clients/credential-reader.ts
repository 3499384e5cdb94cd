import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '../../kernel/clock.js';
import { Settings } from '../../platform/config/settings.js';
import type { CachedCredential, CredentialRecord } from './cached-credential.js';
import { ClientsRepository } from './clients.repository.js';
import { CoalescedReader } from './coalesced-reader.js';

/** How long past the recheck bound an entry may be served while PostgreSQL is away. */
const STALE_GRACE_MS = 15 * 60 * 1000;
/** What a request that could be answered without PostgreSQL waits for it. */
const PATIENCE_WITH_FALLBACK_MS = 500;
/** How long requests that could be answered without it leave PostgreSQL alone after a failure. */
const REST_AFTER_FAILURE_MS = 1_000;
/** Secrets whose use this process noted lately. */
const MAX_NOTED = 50_000;

/** Reads clients for authentication: coalesced, bounded in time, and honest about not knowing. */
@Injectable()
export class CredentialReader {
  readonly #reads: CoalescedReader<CredentialRecord | null>;
  readonly #staleMs: number;
  readonly #noted: LRUCache<string, true>;
  #restUntil = 0;

  constructor(
    settings: Settings,
    private readonly clock: Clock,
    private readonly repository: ClientsRepository,
  ) {
    this.#noted = new LRUCache({ max: MAX_NOTED, ttl: settings.AUTH_CACHE_RECHECK_SECONDS * 1000 });
    this.#staleMs = settings.AUTH_CACHE_RECHECK_SECONDS * 1000 + STALE_GRACE_MS;
    this.#reads = new CoalescedReader((clientId) => repository.findForAuthentication(clientId));
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

  /**
   * Notes that a secret was used, without keeping anybody waiting: once per secret and recheck interval, so that
   * `last_used_at` is right to about that. Lost when PostgreSQL goes away meanwhile; the next use notes it again.
   */
  noteUse(secretId: string): void {
    if (this.#noted.has(secretId)) return;
    this.#noted.set(secretId, true);
    this.repository.recordUse(secretId, new Date(this.clock.now())).catch(() => this.#noted.delete(secretId));
  }

  /** Whether an entry is young enough to be served while PostgreSQL is away. */
  mayServeStale(credential: CachedCredential): boolean {
    return this.clock.now() - credential.checkedAt <= this.#staleMs;
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
