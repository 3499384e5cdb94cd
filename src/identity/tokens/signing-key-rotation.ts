import { Injectable } from '@nestjs/common';
import { InvalidSettingsError } from '../../platform/config/load-settings.js';
import { Settings } from '../../platform/config/settings.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { AuditService, SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import { generatePrivateKey, OUTLIVES_MS, publicJwkOf } from './signing-key.js';
import { SigningKeySeal } from './signing-key-seal.js';
import { SigningKeysRepository, type StoredSigningKey } from './signing-keys.repository.js';

const DAY_MS = 86_400_000;
/**
 * Milliseconds for which a key is published before it signs: longer than any cache keeps JWKS, and than a replica that
 * cannot reach PostgreSQL goes on.
 */
const AHEAD_MS = 3_600_000;

/** Makes the keys: the first when there is none, and each `SIGNING_KEY_DAYS` days the next one, an hour before it signs. */
@Injectable()
export class SigningKeyRotation {
  readonly #lifeMs: number;

  constructor(
    settings: Settings,
    private readonly repository: SigningKeysRepository,
    private readonly transactions: Transactions,
    private readonly seal: SigningKeySeal,
    private readonly clock: DatabaseClock,
    private readonly audit: AuditService,
  ) {
    this.#lifeMs = settings.SIGNING_KEY_DAYS * DAY_MS;
  }

  /**
   * Makes the next key when its time has come, and removes those that verify no more. However many replicas do so at
   * once, one key is made.
   *
   * @throws InvalidSettingsError when there are keys that `MASTER_KEY` does not open: no new one takes their place.
   *   Rejects with the driver's error when PostgreSQL is away.
   */
  async rotate(): Promise<void> {
    await this.transactions.run(async (transaction) => {
      await this.repository.lock(transaction);
      const stored = await this.repository.findAll(transaction);
      if (stored.some(({ kid, sealedPrivateKey }) => typeof this.seal.open(kid, sealedPrivateKey) === 'string'))
        throw unreadableKeys();
      await this.#makeNext(stored.at(-1), transaction);
      await this.#removeEnded(transaction);
    });
  }

  async #makeNext(newest: StoredSigningKey | undefined, transaction: Transaction): Promise<void> {
    const now = this.clock.now();
    const due = newest === undefined ? now : newest.notBefore.getTime() + this.#lifeMs;
    if (newest !== undefined && now < due - AHEAD_MS) return;
    const notBefore = new Date(newest === undefined ? now : Math.max(due, now + AHEAD_MS));
    const privateKey = generatePrivateKey();
    const publicJwk = publicJwkOf(privateKey);
    const { kid } = publicJwk;
    const sealedPrivateKey = this.seal.seal(kid, privateKey);
    await this.repository.insert({ kid, publicJwk, sealedPrivateKey, notBefore }, transaction);
    if (newest !== undefined) await this.repository.retire(newest.kid, notBefore, transaction);
    const details = { not_before: notBefore.toISOString() };
    const subject = { type: 'signing_key', id: kid } as const;
    await this.audit.record({ action: 'signing_key.create', origin: SYSTEM_ORIGIN, subject, details }, transaction);
  }

  async #removeEnded(transaction: Transaction): Promise<void> {
    const before = new Date(this.clock.now() - OUTLIVES_MS);
    for (const kid of await this.repository.removeRetired(before, transaction)) {
      const subject = { type: 'signing_key', id: kid } as const;
      await this.audit.record({ action: 'signing_key.remove', origin: SYSTEM_ORIGIN, subject }, transaction);
    }
  }
}

/** What an operator is told who changed `MASTER_KEY`. */
export function unreadableKeys(): InvalidSettingsError {
  return new InvalidSettingsError([
    'MASTER_KEY: does not open the signing keys in the database. Set the one they were made under. Where it is lost, delete the rows of the table signing_keys: every access token ends, and a new key is made.',
  ]);
}
