import { Injectable } from '@nestjs/common';
import type { Secret } from '../../kernel/secret.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { AuditService } from '../../records/audit/audit.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import type { SignInFacts } from '../sessions/sessions.service.js';
import { type PassedCheck, PasswordCheck } from './password-check.js';
import { type RaisedSession, SessionRises, type SessionToRaise } from './session-rises.js';
import { SignInAttemptsRepository } from './sign-in-attempts.repository.js';

/** A session that was raised, and how far that has got. */
export interface Reauthenticated {
  readonly raised: RaisedSession;
  readonly propagation: Propagation;
}

/** Proving once more who one is, in a session that goes on. */
@Injectable()
export class Reauthentication {
  constructor(
    private readonly check: PasswordCheck,
    private readonly rises: SessionRises,
    private readonly attempts: SignInAttemptsRepository,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
    private readonly changes: PrincipalChanges,
  ) {}

  /**
   * Checks the password and raises the session. The session, the counters and the line in the audit log are one transaction:
   * all of it or nothing. However many ask with one cookie at once, one gets the next cookie, and the others are not signed
   * in. Redis has no part in what is decided.
   *
   * @throws RateLimitedError when too many were wrong, before anything is hashed; InvalidLoginError; InvalidSessionError;
   *   ServiceUnavailableError when too many hashes wait or nothing can be recorded; the driver's error when PostgreSQL is
   *   away.
   */
  async reauthenticate(session: SessionToRaise, password: Secret, facts: SignInFacts): Promise<Reauthenticated> {
    const passed = await this.check.passAgain(session.userId, password, facts);
    const { raised, change } = await this.check.use(passed, facts, () => this.#raise(session, passed, facts));
    return { raised, propagation: await this.changes.follow(change) };
  }

  #raise(session: SessionToRaise, { user, attempt, keys }: PassedCheck, { origin }: SignInFacts) {
    const { userId, sessionId } = session;
    return this.transactions.run(async (transaction) => {
      const raised = await this.rises.raise(session, transaction, user.passwordChangedAt);
      await this.attempts.succeeded(attempt.id, keys.account, transaction);
      const subject = { type: 'user', id: userId } as const;
      const details = { session_id: sessionId };
      await this.audit.record({ action: 'user.reauthenticate', origin, subject, details }, transaction);
      return { raised, change: await this.changes.changed(userId, transaction) };
    });
  }
}
