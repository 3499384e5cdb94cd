import { Injectable } from '@nestjs/common';
import type { UserAuth } from '../../kernel/auth-state.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import { SessionsService } from '../sessions/sessions.service.js';

/** Signing out. */
@Injectable()
export class SignOutService {
  constructor(
    private readonly transactions: Transactions,
    private readonly sessions: SessionsService,
    private readonly audit: AuditService,
    private readonly changes: PrincipalChanges,
  ) {}

  /**
   * Ends the session of the request, and with it its cookie or tokens, and sees that through to every replica (see
   * `PrincipalChanges.follow`). Rejects with the driver's error when PostgreSQL is away; then nothing ended.
   */
  async signOut({ userId, sessionId }: UserAuth, origin: AuditOrigin): Promise<Propagation> {
    const change = await this.transactions.run(async (transaction) => {
      const end = { reason: 'signed_out', origin: null } as const;
      const ended = await this.sessions.end(userId, sessionId, end, transaction);
      const subject = { type: 'user', id: userId } as const;
      const details = { session_id: sessionId };
      if (ended !== null && ended.ids.length > 0)
        await this.audit.record({ action: 'user.sign_out', origin, subject, details }, transaction);
      return ended?.change ?? this.changes.changed(userId, transaction);
    });
    return this.changes.follow(change);
  }
}
