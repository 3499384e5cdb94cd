import { Injectable } from '@nestjs/common';
import { InvalidOneTimeTokenError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { Transactions } from '../../platform/database/transactions.js';
import { MailService } from '../../platform/mail/mail.service.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import { emailKeyOf } from './email-address.js';
import { OneTimeTokens } from './one-time-tokens.service.js';
import { PasswordsService } from './passwords.service.js';
import { userActed } from './user-audit.js';
import { PASSWORD_CHANGED_MAIL, RESET_MAIL } from './user-mails.service.js';
import { UsersService } from './users.service.js';

/** Passwords that were forgotten. PostgreSQL decides; without it every call rejects with the driver's error. */
@Injectable()
export class PasswordResets {
  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly passwords: PasswordsService,
    private readonly users: UsersService,
    private readonly mail: MailService,
    private readonly principals: PrincipalChanges,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Promises a mail with a token to whoever has this address. It does the very same whether anybody has: who that is, is
   * looked up when the mail is written, and nobody waits for that.
   */
  request(email: string): Promise<void> {
    return this.mail.send(RESET_MAIL, { email: emailKeyOf(email) });
  }

  /**
   * Sets a new password and ends every session and token there was. However many bring the token at once, one is
   * answered; where a password is not taken, the token stays good.
   *
   * @throws InvalidOneTimeTokenError; InvalidRequestError for a password that is not taken; ServiceUnavailableError.
   */
  reset(origin: AuditOrigin, { token, password }: { token: Secret; password: Secret }): Promise<Propagation> {
    return this.tokens.use(token, 'reset_password', async ({ userId, email }, take) => {
      const accepted = await this.passwords.accept(password, await this.users.get(userId));
      const change = await this.transactions.run(async (transaction) => {
        await take(transaction);
        if (!(await this.passwords.change(userId, accepted, transaction, provedBy(origin))))
          throw new InvalidOneTimeTokenError();
        await this.audit.record(userActed('user.password_reset', origin, userId), transaction);
        await this.mail.send(PASSWORD_CHANGED_MAIL, { user_id: userId, email }, transaction);
        return this.principals.changed(userId, transaction);
      });
      return this.principals.follow(change);
    });
  }
}

/** Whoever brings the token reads the user's mail: that is worth remembering of the address they come from. */
function provedBy({ address }: AuditOrigin): { readonly provedFrom?: string } {
  return address === null ? {} : { provedFrom: address };
}
