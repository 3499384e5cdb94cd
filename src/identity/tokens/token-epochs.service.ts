import { Injectable } from '@nestjs/common';
import { NotFoundError } from '../../kernel/app-error.js';
import { isId } from '../../kernel/ids.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { RefreshFamilies } from './refresh-families.service.js';
import { type Follow, TokenChanges } from './token-changes.js';
import { TokenRevocationsRepository } from './token-revocations.repository.js';

/**
 * Revokes all tokens of a user, of a client, or of everybody, by the epoch they carry: access tokens and refresh tokens
 * alike, however many there are. Keys of clients and cookies of sessions are no tokens and work on. Each resolves when no
 * replica takes one of them, two seconds later at most; each rejects with the driver's error when PostgreSQL is away.
 */
@Injectable()
export class TokenEpochsService {
  constructor(
    private readonly repository: TokenRevocationsRepository,
    private readonly families: RefreshFamilies,
    private readonly transactions: Transactions,
    private readonly changes: TokenChanges,
    private readonly audit: AuditService,
  ) {}

  /** @throws NotFoundError when there is no such user. */
  ofUser(userId: string, origin: AuditOrigin): Promise<Propagation> {
    return this.#revokeAll({ type: 'user', id: userId }, origin, async (transaction) => {
      const found = isId('usr', userId) && (await this.repository.raiseUserEpoch(userId, transaction));
      if (!found) throw new NotFoundError('There is no user with this id.');
      await this.families.endAllOf(userId, transaction);
      return this.changes.ofUser(userId, transaction);
    });
  }

  /** @throws NotFoundError when there is no such client. */
  ofClient(clientId: string, origin: AuditOrigin): Promise<Propagation> {
    return this.#revokeAll({ type: 'client', id: clientId }, origin, (transaction) =>
      this.changes.endAllOfClient(clientId, transaction),
    );
  }

  /** Everybody's, the caller's own included. */
  ofEverybody(origin: AuditOrigin): Promise<Propagation> {
    return this.#revokeAll({ type: 'token', id: null }, origin, async (transaction) =>
      this.changes.ofEverybody(await this.repository.raiseEpoch(transaction)),
    );
  }

  async #revokeAll(
    subject: { readonly type: 'user' | 'client' | 'token'; readonly id: string | null },
    origin: AuditOrigin,
    work: (transaction: Transaction) => Promise<Follow>,
  ): Promise<Propagation> {
    const follow = await this.transactions.run(async (transaction) => {
      const done = await work(transaction);
      await this.audit.record({ action: 'token.revoke_all', origin, subject }, transaction);
      return done;
    });
    return follow();
  }
}
