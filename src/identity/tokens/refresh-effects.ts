import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { RefreshFamilies } from './refresh-families.service.js';
import type { FamilyState, RotationOutcome } from './refresh-tokens.repository.js';
import { type Follow, TokenChanges } from './token-changes.js';

/** What else becomes of a refresh, in the transaction that decides it and after it. */
@Injectable()
export class RefreshEffects {
  /** Uses since start, by what became of them. */
  readonly stats = { rotated: 0, repeated: 0, reused: 0, refused: 0 };

  constructor(
    private readonly transactions: Transactions,
    private readonly families: RefreshFamilies,
    private readonly changes: TokenChanges,
    private readonly audit: AuditService,
  ) {}

  /** As `Transactions.run`. */
  inTransaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.transactions.run(work);
  }

  /** Records the outcome; a second use ends the session too. Resolves to what is then to be followed. */
  async record(outcome: RotationOutcome, origin: AuditOrigin, transaction: Transaction): Promise<Follow | null> {
    this.stats[outcome.outcome] += 1;
    if (outcome.outcome === 'rotated') {
      const { userId, sessionId } = outcome;
      const byUser: AuditOrigin = { ...origin, actorType: 'user', actorId: userId, sessionId };
      await this.#note('token.refresh', outcome, byUser, transaction);
    }
    if (outcome.outcome !== 'reused') return null;
    await this.families.endReused(outcome, transaction);
    await this.#note('token.reuse_detected', outcome, origin, transaction);
    return this.changes.ofUser(outcome.userId, transaction);
  }

  /** The session was used. Never waits. */
  touch({ sessionId, sessionIdleSeconds }: FamilyState, address: string): void {
    this.families.touch(sessionId, sessionIdleSeconds, address);
  }

  #note(
    action: 'token.refresh' | 'token.reuse_detected',
    { userId, sessionId, familyId }: FamilyState,
    origin: AuditOrigin,
    transaction: Transaction,
  ): Promise<void> {
    const details = { session_id: sessionId, family_id: familyId };
    const subject = { type: 'user', id: userId } as const;
    return this.audit.record(
      { action, origin, subject, details, ...(action === 'token.reuse_detected' && { outcome: 'refused' }) },
      transaction,
    );
  }
}
