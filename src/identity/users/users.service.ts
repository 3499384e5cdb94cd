import { Injectable } from '@nestjs/common';
import { InvalidRequestError, NotFoundError } from '../../kernel/app-error.js';
import { ConflictError } from '../../kernel/identity-errors.js';
import { isId, newId } from '../../kernel/ids.js';
import { DEFAULT_TIER, RateLimitTable } from '../../platform/config/rate-limit-table.js';
import { Settings } from '../../platform/config/settings.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import { MailService } from '../../platform/mail/mail.service.js';
import { AuditService } from '../../records/audit/audit.service.js';
import { emailKeyOf } from './email-address.js';
import type { AcceptedPassword } from './passwords.service.js';
import { userCreated, userInvited } from './user-audit.js';
import { INVITE_MAIL } from './user-mails.service.js';
import type { UserManager } from './user-manager.js';
import { type SignInUser, type User, UsersRepository } from './users.repository.js';

export type { SignInUser } from './users.repository.js';

/** Who is invited; what is absent takes its default: what stands before the @, tier `paid`. */
export interface NewUser {
  readonly email: string;
  readonly name?: string;
  readonly tier?: string;
}

/**
 * Users: who there is, and how they come. PostgreSQL holds them; without it every call rejects with the driver's error.
 * Field values are taken as valid in form (see the DTOs).
 */
@Injectable()
export class UsersService {
  readonly #tiers: RateLimitTable;

  constructor(
    private readonly repository: UsersRepository,
    private readonly mail: MailService,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
    settings: Settings,
  ) {
    this.#tiers = new RateLimitTable(settings.RATE_LIMITS);
  }

  /**
   * The user with this e-mail address in any spelling, whatever their status; null when there is none. It does the same
   * either way: who exists is not to be told by the time it takes.
   */
  findForSignIn(email: string): Promise<SignInUser | null> {
    return this.repository.findForSignIn(emailKeyOf(email));
  }

  /** What the spellings of one e-mail address have in common, for whoever counts by it. */
  emailKeyOf(email: string): string {
    return emailKeyOf(email);
  }

  /** The user, or null. */
  async find(userId: string): Promise<User | null> {
    return isId('usr', userId) ? this.repository.find(userId) : null;
  }

  /** @throws NotFoundError when there is no user of exactly this id. */
  async get(userId: string): Promise<User> {
    const user = await this.find(userId);
    if (user === null) throw noSuchUser();
    return user;
  }

  /**
   * Makes a user without a password, and promises them a mail with a token to set one.
   *
   * @param alsoInside what else is to be done in the transaction, or nothing is.
   * @throws InvalidRequestError for an unknown tier; ConflictError when there is a user with that address.
   */
  async invite(
    manager: UserManager,
    input: NewUser,
    alsoInside: (user: User, transaction: Transaction) => Promise<void> = async () => undefined,
  ): Promise<User> {
    return this.transactions.run(async (transaction) => {
      const user = await this.insert(manager, input, transaction);
      await this.#sendInvitation(manager, user, transaction);
      await alsoInside(user, transaction);
      return user;
    });
  }

  /**
   * Makes a user in the caller's transaction, without an invitation: an active one, whose address is taken as proved, when
   * there is a password for them. Throws as `invite` does.
   */
  async insert(
    manager: UserManager,
    input: NewUser,
    transaction: Transaction,
    password: AcceptedPassword | null = null,
  ): Promise<User> {
    const { email, tier = DEFAULT_TIER, name = email.split('@', 1)[0] ?? email } = input;
    this.assertTier(tier);
    const fields = { id: newId('usr'), email, emailKey: emailKeyOf(email), name, tier };
    const user = await this.repository.insert(fields, password?.hash ?? null, transaction);
    if (user === null) throw new ConflictError('There is a user with this e-mail address already.');
    await this.audit.record(userCreated(manager.origin, user), transaction);
    return user;
  }

  /**
   * Promises an invited user another mail with a token; the ones before stay good until one is used.
   *
   * @throws NotFoundError; ConflictError when the user has accepted already; PermissionDeniedError when the user holds
   *   what the manager does not.
   */
  async resendInvitation(manager: UserManager, userId: string): Promise<void> {
    await this.transactions.run(async (transaction) => {
      const user = isId('usr', userId) ? await this.repository.lock(userId, transaction) : null;
      if (user === null) throw noSuchUser();
      if (user.status !== 'invited') throw new ConflictError('This user is not waiting for an invitation.');
      await manager.assertMayManage(userId, transaction);
      await this.#sendInvitation(manager, user, transaction);
    });
  }

  /** @throws InvalidRequestError for a tier that the rate-limit table does not have. */
  assertTier(tier: string): void {
    if (this.#tiers.isKnownTier(tier)) return;
    const message = `must be one of ${this.#tiers.tiers().join(', ')}`;
    throw new InvalidRequestError([{ location: 'body.tier', message }]);
  }

  async #sendInvitation(manager: UserManager, user: User, transaction: Transaction): Promise<void> {
    await this.audit.record(userInvited(manager.origin, user), transaction);
    await this.mail.send(INVITE_MAIL, { user_id: user.id }, transaction);
  }
}

/** There is no such user, or none that the caller may know of. */
export function noSuchUser(): NotFoundError {
  return new NotFoundError('There is no user with this id.');
}
