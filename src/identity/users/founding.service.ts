import { Injectable } from '@nestjs/common';
import type { Secret } from '../../kernel/secret.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import type { AuditOrigin } from '../../records/audit/audit.service.js';
import { AdministratorsService } from '../access/administrators/administrators.service.js';
import { OneTimeTokens } from './one-time-tokens.service.js';
import { type AcceptedPassword, PasswordsService } from './passwords.service.js';
import type { User } from './users.repository.js';
import { type NewUser, UsersService } from './users.service.js';

/** A user who is made by whoever runs the machine. */
export interface FoundedUser extends NewUser {
  /** Null: they set one with the token that is given back. */
  readonly password: Secret | null;
  /** Whether they administer everything. */
  readonly isOwner: boolean;
}

/**
 * Users who are made on the machine, past invitations and permissions: the first of them could be invited by nobody.
 * PostgreSQL decides; without it every call rejects with the driver's error.
 */
@Injectable()
export class Founding {
  constructor(
    private readonly users: UsersService,
    private readonly passwords: PasswordsService,
    private readonly tokens: OneTimeTokens,
    private readonly administrators: AdministratorsService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Makes a user: with a password an active one, whose address is taken as proved; without one an invited one, and the
   * token that a mail would have brought.
   *
   * @throws InvalidRequestError for an unknown tier or a password that is not taken; ConflictError when there is a user
   *   with that address.
   */
  async create(origin: AuditOrigin, input: FoundedUser): Promise<{ user: User; token: Secret | null }> {
    const accepted = await this.#accept(input);
    return this.transactions.run(async (transaction) => {
      const user = await this.#insert(origin, input, accepted, transaction);
      const holder = { userId: user.id, email: user.email };
      const token = accepted === null ? await this.tokens.mint('invite', holder, null, transaction) : null;
      return { user, token };
    });
  }

  /**
   * Makes an administrator while there is none. However many processes do so at once, there is one.
   *
   * @returns null when somebody is in charge already.
   * @throws as `create` does, but for what is not needed any more.
   */
  async createFirstAdministrator(origin: AuditOrigin, email: string, password: Secret): Promise<User | null> {
    if (await this.transactions.run((transaction) => this.administrators.isSomebodyInCharge(transaction))) return null;
    const input = { email, password, isOwner: true };
    const accepted = await this.#accept(input);
    return this.transactions.run(async (transaction) =>
      (await this.administrators.isSomebodyInCharge(transaction))
        ? null
        : this.#insert(origin, input, accepted, transaction),
    );
  }

  async #accept({ email, name = '', password, isOwner }: FoundedUser): Promise<AcceptedPassword | null> {
    return password && this.passwords.acceptFrom(password, { email, name, isAdministrator: isOwner });
  }

  async #insert(
    origin: AuditOrigin,
    { email, name, tier, isOwner }: FoundedUser,
    accepted: AcceptedPassword | null,
    transaction: Transaction,
  ): Promise<User> {
    const fields = { email, ...(name !== undefined && { name }), ...(tier !== undefined && { tier }) };
    const user = await this.users.insert(
      { origin, assertMayManage: async () => undefined },
      fields,
      transaction,
      accepted,
    );
    if (isOwner) await this.administrators.appoint(user.id, origin, 'made on the machine', transaction);
    return user;
  }
}
