import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import type { UserAuth } from '../../kernel/auth-state.js';
import { ConflictError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import { MailService } from '../../platform/mail/mail.service.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import { PasswordGuesses } from './password-guesses.service.js';
import { PasswordsService } from './passwords.service.js';
import { userActed } from './user-audit.js';
import { PASSWORD_CHANGED_MAIL, VERIFY_MAIL } from './user-mails.service.js';
import type { User } from './users.repository.js';
import { UsersService } from './users.service.js';

/** Who asks about their own account, as what a token or a session says. */
export type Self = Pick<UserAuth, 'userId' | 'sessionId'> & { readonly origin: AuditOrigin };

/**
 * What signed-in people change about their own account: always with the password, so that a session somebody left open,
 * or a token somebody stole, is not enough to take the account over.
 */
@Injectable()
export class OwnAccount {
  constructor(
    private readonly users: UsersService,
    private readonly passwords: PasswordsService,
    private readonly guesses: PasswordGuesses,
    private readonly mail: MailService,
    private readonly principals: PrincipalChanges,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Changes the password. Every other session and token of the user ends; the one that asks goes on.
   *
   * @param alsoInside what that brings about for the session that asks, in the same transaction, or nothing is done.
   * @throws InvalidRequestError when the present one is wrong or the new one is not taken; RateLimitedError after too many
   *   wrong ones; ConflictError when it was changed meanwhile; the driver's error when PostgreSQL is away.
   */
  async changePassword<Result>(
    self: Self,
    { current, next }: { readonly current: Secret; readonly next: Secret },
    alsoInside: (transaction: Transaction) => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly propagation: Propagation }> {
    const user = await this.#proved(self, current);
    const accepted = await this.passwords.accept(next, user, 'body.new_password');
    const { userId, sessionId: keepSessionId, origin } = self;
    const { result, change } = await this.transactions.run(async (transaction) => {
      const known = { keepSessionId, lastChangedAt: user.passwordChangedAt };
      if (!(await this.passwords.change(userId, accepted, transaction, known)))
        throw new ConflictError('The password was changed meanwhile. Sign in with the new one.');
      const result = await alsoInside(transaction);
      await this.audit.record(userActed('user.password_change', origin, userId), transaction);
      await this.mail.send(PASSWORD_CHANGED_MAIL, { user_id: userId, email: user.email }, transaction);
      return { result, change: await this.principals.changed(userId, transaction) };
    });
    return { result, propagation: await this.principals.follow(change) };
  }

  /**
   * Promises a mail with a token to an address that is to be the user's; it is theirs once the token comes back.
   *
   * @throws as `changePassword` does.
   */
  async changeEmail(self: Self, current: Secret, email: string): Promise<void> {
    const { id } = await this.#proved(self, current);
    await this.mail.send(VERIFY_MAIL, { user_id: id, email });
  }

  /** The user, if that is the password. */
  async #proved({ userId, origin }: Self, current: Secret): Promise<User> {
    const user = await this.users.get(userId);
    const guess = { email: user.email, address: origin.address ?? '' };
    if (await this.guesses.count(guess, () => this.passwords.verifyOf(userId, current))) return user;
    await this.audit.record({ ...userActed('user.password_change', origin, userId), outcome: 'failed' });
    throw new InvalidRequestError([{ location: 'body.current_password', message: 'is not your password' }]);
  }
}
