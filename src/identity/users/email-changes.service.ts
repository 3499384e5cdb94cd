import { Injectable } from '@nestjs/common';
import { ConflictError, InvalidOneTimeTokenError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { Transactions } from '../../platform/database/transactions.js';
import { MailService } from '../../platform/mail/mail.service.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import { emailKeyOf } from './email-address.js';
import { OneTimeTokens } from './one-time-tokens.service.js';
import { emailChanged } from './user-audit.js';
import type { ChangedUser } from './user-changes.service.js';
import { EMAIL_CHANGED_MAIL } from './user-mails.service.js';
import { UsersRepository } from './users.repository.js';

/** Addresses that are proved. PostgreSQL decides; without it every call rejects with the driver's error. */
@Injectable()
export class EmailChanges {
  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly repository: UsersRepository,
    private readonly mail: MailService,
    private readonly principals: PrincipalChanges,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Makes the address that a token was sent to its user's, and proved. The address before is told, and what was sent
   * there is good for nothing any more.
   *
   * @throws InvalidOneTimeTokenError; ConflictError when somebody else has that address.
   */
  verify(origin: AuditOrigin, token: Secret): Promise<ChangedUser> {
    return this.tokens.use(token, 'verify_email', async ({ userId }, take) => {
      const { user, change } = await this.transactions.run(async (transaction) => {
        const { email } = await take(transaction);
        const before = await this.repository.lock(userId, transaction);
        if (before === null) throw new InvalidOneTimeTokenError();
        const after = await this.repository.setEmail(userId, email, emailKeyOf(email), transaction);
        if (after === null) throw new ConflictError('Another user has this e-mail address.');
        await this.audit.record(emailChanged(origin, userId, email, before.email), transaction);
        if (before.email !== email)
          await this.mail.send(EMAIL_CHANGED_MAIL, { user_id: userId, email: before.email }, transaction);
        return { user: after, change: await this.principals.changed(userId, transaction) };
      });
      return { user, propagation: await this.principals.follow(change) };
    });
  }
}
