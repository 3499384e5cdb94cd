import { Injectable } from '@nestjs/common';
import { InvalidRequestError, UnknownApiKeyError } from '../../kernel/app-error.js';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { parseApiKey } from './api-key.js';
import { CredentialSeal } from './credential-seal.js';
import { LeakedKeysRepository, type LeakedSecret } from './leaked-keys.repository.js';
import { Revocations } from './revocations.js';
import { type PresentedSecret, SecretMatcher } from './secret-matcher.js';

/** What became of a reported key. */
export interface ReportedKey {
  readonly clientId: string;
  readonly hint: string;
  readonly propagation: Propagation;
}

/**
 * Reports of leaked keys. Whoever holds a whole key could use it, so nobody has to say who they are to have it revoked;
 * and whoever only guesses finds out no more than at any other door, at the same price.
 */
@Injectable()
export class LeakedKeysService {
  constructor(
    private readonly repository: LeakedKeysRepository,
    private readonly seal: CredentialSeal,
    private readonly matcher: SecretMatcher,
    private readonly transactions: Transactions,
    private readonly audit: AuditService,
    private readonly revocations: Revocations,
    private readonly clock: DatabaseClock,
  ) {}

  /**
   * Revokes the secret of a whole key that works, of a disabled client too, and sees that through to every replica (see
   * `Revocations.follow`). The client's record and the audit log say so.
   *
   * @throws InvalidRequestError for a key whose form or checksum is wrong, without I/O; RateLimitedError when the address
   *   has tried too many wrong keys, before any I/O or hashing; UnknownApiKeyError for an unknown client, a wrong, ended
   *   or revoked secret alike, each at the price of one bcrypt; ServiceUnavailableError when too many hashes wait. The
   *   driver's error when PostgreSQL is away.
   */
  async report(apiKey: string, attempt: AuthAttempt, origin: AuditOrigin): Promise<ReportedKey> {
    const key = parseApiKey(apiKey);
    if (key === null) throw new InvalidRequestError([{ location: 'body.api_key', message: 'is not a whole API key' }]);
    const { clientId, secret: text } = key;
    await attempt.reserve(clientId);
    const presented = { clientId, text, digest: this.seal.digest(clientId, text), attempt: paid(attempt.address) };
    const secret = await this.#find(presented);
    attempt.succeeded();
    const revoked = await this.transactions.run(async (transaction) => {
      const done = await this.repository.revoke(transaction, clientId, secret.id, new Date(this.clock.now()));
      if (done === null) throw new UnknownApiKeyError();
      const details = { client_id: clientId, hint: secret.hint };
      const subject = { type: 'secret', id: secret.id } as const;
      await this.audit.record({ action: 'secret.leaked', origin, subject, details }, transaction);
      return done;
    });
    const propagation = await this.revocations.follow({ clientId, ...revoked });
    return { clientId, hint: secret.hint, propagation };
  }

  async #find(presented: PresentedSecret): Promise<LeakedSecret> {
    const secrets = await this.repository.secretsOf(presented.clientId);
    const { secret, hashed } = await this.matcher.match(secrets, presented, this.clock.now());
    if (secret !== null) return secret;
    if (!hashed) await this.matcher.spend(presented);
    throw new UnknownApiKeyError();
  }
}

/** The report was paid for before anything was read: matching its key costs no more. */
function paid(address: string): AuthAttempt {
  return { address, userAgent: null, reserve: async () => undefined, succeeded: () => undefined };
}
