import { createPublicKey } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { log } from '../../platform/logging/log.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { OUTLIVES_MS, type PublicJwk, publicJwkOf, type SigningKey, type VerificationKey } from './signing-key.js';
import { SigningKeySeal, type Unreadable } from './signing-key-seal.js';
import { SigningKeysRepository, type StoredSigningKey } from './signing-keys.repository.js';

/**
 * The keys as this replica signs and verifies with them: in memory, by PostgreSQL's clock. While PostgreSQL is away they
 * stay as they are, still sign and still end. A key that `MASTER_KEY` does not open is none.
 */
@Injectable()
export class SigningKeys {
  #byId: ReadonlyMap<string, SigningKey> = new Map();
  /** The one that signs first first. */
  #ordered: readonly SigningKey[] = [];
  #unreadable: ReadonlyMap<string, Unreadable> = new Map();
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly repository: SigningKeysRepository,
    private readonly seal: SigningKeySeal,
    private readonly clock: DatabaseClock,
  ) {}

  /** Why keys that lie in PostgreSQL are not among these, by their id. */
  get unreadable(): ReadonlyMap<string, Unreadable> {
    return this.#unreadable;
  }

  /** Whether there is a key at all. */
  get isEmpty(): boolean {
    return this.#ordered.length === 0;
  }

  /** Reads all of them anew, one reading after the other. Rejects when PostgreSQL is away; they then stay as they were. */
  load(): Promise<void> {
    const done = this.#last.then(async () => this.#replaceAll(await this.repository.findAll()));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /**
   * The key that signs now: the newest whose time has come, or the first there is.
   *
   * @throws AuthUnavailableError when there is none, because PostgreSQL was away since this process started.
   */
  signer(): SigningKey {
    const now = this.clock.now();
    const key = this.#ordered.findLast(({ notBefore }) => notBefore <= now) ?? this.#ordered[0];
    if (key === undefined) throw new AuthUnavailableError();
    return key;
  }

  /** The key of this id, as long as it verifies; null for any other text. */
  verifier(kid: string): VerificationKey | null {
    const key = this.#byId.get(kid);
    return key !== undefined && this.clock.now() < key.endsAt ? key : null;
  }

  /** What JWKS shows: every key that verifies, and those that will. */
  published(): PublicJwk[] {
    const now = this.clock.now();
    return this.#ordered.filter(({ endsAt }) => now < endsAt).map(({ publicJwk }) => publicJwk);
  }

  #replaceAll(rows: readonly StoredSigningKey[]): void {
    const keys: SigningKey[] = [];
    const unreadable = new Map<string, Unreadable>();
    for (const row of rows) {
      const key = this.#open(row);
      if (typeof key === 'string') unreadable.set(row.kid, key);
      else keys.push(key);
    }
    for (const [kid, reason] of unreadable)
      if (!this.#unreadable.has(kid))
        log('error', 'a signing key cannot be read', { context: 'signing-keys', code: reason });
    this.#unreadable = unreadable;
    this.#ordered = keys;
    this.#byId = new Map(keys.map((key) => [key.kid, key]));
  }

  #open({ kid, sealedPrivateKey, notBefore, retiresAt }: StoredSigningKey): SigningKey | Unreadable {
    const privateKey = this.#byId.get(kid)?.privateKey ?? this.seal.open(kid, sealedPrivateKey);
    if (typeof privateKey === 'string') return privateKey;
    return {
      kid,
      privateKey,
      publicKey: createPublicKey(privateKey),
      publicJwk: publicJwkOf(privateKey),
      notBefore: notBefore.getTime(),
      endsAt: retiresAt === null ? Number.POSITIVE_INFINITY : retiresAt.getTime() + OUTLIVES_MS,
    };
  }
}
