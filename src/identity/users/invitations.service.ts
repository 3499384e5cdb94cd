import { Injectable } from '@nestjs/common';
import { InvalidOneTimeTokenError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { Transactions } from '../../platform/database/transactions.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import { OneTimeTokens } from './one-time-tokens.service.js';
import { PasswordsService } from './passwords.service.js';
import { userActed } from './user-audit.js';
import type { ChangedUser } from './user-changes.service.js';
import { UserPasswordsRepository } from './user-passwords.repository.js';
import { UsersService } from './users.service.js';

/** What an invited person sends. */
export interface AcceptedInvitation {
  readonly token: Secret;
  readonly password: Secret;
  readonly name?: string;
}

/** Invitations that are accepted. PostgreSQL decides; without it every call rejects with the driver's error. */
@Injectable()
export class InvitationsService {
  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly passwords: PasswordsService,
    private readonly users: UsersService,
    private readonly repository: UserPasswordsRepository,
    private readonly principals: PrincipalChanges,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Sets the first password of an invited user, who is active from then on. The token proves the address. However many
   * bring it at once, one is answered; where a password is not taken, the token stays good.
   *
   * @throws InvalidOneTimeTokenError; InvalidRequestError for a password that is not taken; ServiceUnavailableError.
   */
  accept(origin: AuditOrigin, { token, password, name }: AcceptedInvitation): Promise<ChangedUser> {
    return this.tokens.use(token, 'invite', async ({ userId }, take) => {
      const invited = await this.users.get(userId);
      const { hash } = await this.passwords.accept(password, { ...invited, name: `${invited.name} ${name ?? ''}` });
      const change = await this.transactions.run(async (transaction) => {
        await take(transaction);
        if (!(await this.repository.activate(userId, hash, name, transaction))) throw new InvalidOneTimeTokenError();
        await this.audit.record(userActed('user.accept_invite', origin, userId), transaction);
        return this.principals.changed(userId, transaction);
      });
      const propagation = await this.principals.follow(change);
      return { user: await this.users.get(userId), propagation };
    });
  }
}
