import { Injectable } from '@nestjs/common';
import { Transactions } from '../../platform/database/transactions.js';
import { AuditService } from '../../records/audit/audit.service.js';
import type { SignInFacts } from '../sessions/sessions.service.js';
import { lockoutBy } from './guess-shares.js';
import { type AttemptKeys, type ReservedAttempt, SignInAttemptsRepository } from './sign-in-attempts.repository.js';
import { SignInLockout } from './sign-in-lockout.service.js';

/** What was wrong. It is written to the audit log and told to nobody else. */
export type FailureReason =
  | 'unknown_user'
  | 'wrong_password'
  | 'invited'
  | 'suspended'
  | 'not_verified'
  | 'changed_meanwhile';

interface FailedSignIn {
  readonly attempt: ReservedAttempt;
  readonly keys: AttemptKeys;
  /** Null: nobody has that e-mail address. */
  readonly userId: string | null;
  readonly reason: FailureReason;
  readonly facts: SignInFacts;
}

/** How much of an account's digest is written down: enough to see that two lines are about the same one. */
const SHOWN_DIGITS = 16;

/** Writes down sign-ins that failed: in the counters and, in the same transaction, in the audit log. */
@Injectable()
export class FailedSignIns {
  constructor(
    private readonly attempts: SignInAttemptsRepository,
    private readonly lockout: SignInLockout,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * The line of an attempt after which the account, or the device, is held up for long says so as well.
   *
   * @throws ServiceUnavailableError, or the driver's error, when PostgreSQL is away; the attempt counts as failed then,
   *   too.
   */
  async record({ attempt, keys, userId, reason, facts }: FailedSignIn): Promise<void> {
    const subject = { type: 'user', id: userId } as const;
    const shown = { account: keys.account.slice(0, SHOWN_DIGITS), known_device: keys.device !== null };
    const event = { origin: facts.origin, subject, outcome: 'failed' } as const;
    const lockout = lockoutBy(
      attempt,
      keys.device === null ? this.lockout.shares.strangers : this.lockout.shares.device,
    );
    await this.transactions.run(async (transaction) => {
      await this.attempts.failed(attempt.id, transaction);
      await this.audit.record({ ...event, action: 'user.sign_in_failed', details: { ...shown, reason } }, transaction);
      if (lockout !== null)
        await this.audit.record(
          { ...event, action: 'user.locked_out', details: { ...shown, reason: lockout } },
          transaction,
        );
    });
  }
}
