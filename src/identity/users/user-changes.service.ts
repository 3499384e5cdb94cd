import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { ConflictError } from '../../kernel/identity-errors.js';
import { isId } from '../../kernel/ids.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { AuditService } from '../../records/audit/audit.service.js';
import { AdministratorsService } from '../access/administrators/administrators.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import type { UserStatus } from './user.entity.js';
import { userDeleted, userStatusChanged, userUpdated } from './user-audit.js';
import { UserLifecycle } from './user-lifecycle.service.js';
import type { UserManager } from './user-manager.js';
import { type User, UsersRepository } from './users.repository.js';
import { noSuchUser, UsersService } from './users.service.js';

/** What of a user may be changed by others; an absent field stays. `active` lets a suspended one in again. */
export interface UserChanges {
  readonly name?: string;
  readonly tier?: string;
  readonly status?: Exclude<UserStatus, 'invited'>;
}

/** What was done, and whether it is in force on every replica. */
export interface ChangedUser {
  readonly user: User;
  readonly propagation: Propagation;
}

/**
 * Changing, suspending and removing users. What builds on users does its part in the same transaction (`UserLifecycle`),
 * and so does the audit log. PostgreSQL decides; without it every call rejects with the driver's error.
 */
@Injectable()
export class UserChangesService {
  constructor(
    private readonly users: UsersService,
    private readonly repository: UsersRepository,
    private readonly administrators: AdministratorsService,
    private readonly lifecycle: UserLifecycle,
    private readonly principals: PrincipalChanges,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Changes a user, and sees that through to every replica (see `PrincipalChanges.follow`). A suspended user is refused
   * everywhere, as are their keys; let in again, one who never accepted the invitation is invited as before.
   *
   * @throws NotFoundError; InvalidRequestError for an unknown tier or nothing to change; ConflictError for a status that
   *   does not follow from the present one; LastAdministratorError; PermissionDeniedError when the user holds
   *   what the manager does not.
   */
  async update(manager: UserManager, userId: string, changes: UserChanges): Promise<ChangedUser> {
    if (Object.values(changes).every((value) => value === undefined))
      throw new InvalidRequestError([{ location: 'body', message: 'must hold at least one of name, tier, status' }]);
    if (changes.tier !== undefined) this.users.assertTier(changes.tier);
    const { user, change } = await this.#inTransaction(userId, async (transaction) => {
      const before = await this.#lock(manager, userId, transaction);
      const status = await this.#statusAfter(before, changes.status, transaction);
      const { name = before.name, tier = before.tier } = changes;
      await this.repository.update(userId, { name, tier, status }, transaction);
      const after = (await this.repository.find(userId, transaction)) ?? before;
      const updated = userUpdated(manager.origin, before, after);
      if (updated !== null) await this.audit.record(updated, transaction);
      if (after.status !== before.status) {
        const type = after.status === 'suspended' ? 'suspended' : 'restored';
        await this.lifecycle.tell({ type, userId }, transaction);
        await this.audit.record(userStatusChanged(manager.origin, after), transaction);
      }
      return { user: after, change: await this.principals.changed(userId, transaction) };
    });
    return { user, propagation: await this.principals.follow(change) };
  }

  /**
   * Removes a user, and sees that through to every replica. What they owned goes to `heirId`, or is disabled without one;
   * what was recorded of them stays.
   *
   * @throws NotFoundError; InvalidRequestError for an heir who is not there, not active, or the user; LastAdministratorError;
   *   PermissionDeniedError when the user or the heir holds what the manager does not.
   */
  async remove(manager: UserManager, userId: string, heirId: string | null): Promise<Propagation> {
    const change = await this.#inTransaction(userId, async (transaction) => {
      // In the order of their ids, as everywhere that locks two users.
      if (heirId !== null && heirId < userId && isId('usr', heirId)) await this.repository.lock(heirId, transaction);
      const user = await this.#lock(manager, userId, transaction);
      if (heirId !== null) await this.#lockHeir(manager, heirId, userId, transaction);
      await this.lifecycle.tell({ type: 'deleted', userId, heirId }, transaction);
      await this.audit.record(userDeleted(manager.origin, user, heirId), transaction);
      await this.repository.remove(userId, transaction);
      return this.principals.changed(userId, transaction);
    });
    return this.principals.follow(change);
  }

  /** What is no user id is not looked up. The administrators' lock comes before the users'. */
  async #inTransaction<T>(userId: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (!isId('usr', userId)) throw noSuchUser();
    return this.transactions.run((transaction) =>
      this.administrators.assertOneRemains(transaction, () => work(transaction)),
    );
  }

  async #lock(manager: UserManager, userId: string, transaction: Transaction): Promise<User> {
    const user = await this.repository.lock(userId, transaction);
    if (user === null) throw noSuchUser();
    await manager.assertMayManage(userId, transaction);
    return user;
  }

  /** Whoever keeps the secret of a key that is handed over could do with it what its new owner may. */
  async #lockHeir(manager: UserManager, heirId: string, userId: string, transaction: Transaction): Promise<void> {
    const heir = isId('usr', heirId) && heirId !== userId ? await this.repository.lock(heirId, transaction) : null;
    if (heir?.status !== 'active') {
      const message = 'must be the id of another user, who is active';
      throw new InvalidRequestError([{ location: 'query.hand_over_to', message }]);
    }
    await manager.assertMayManage(heirId, transaction);
  }

  async #statusAfter(
    { id, status }: User,
    asked: UserChanges['status'],
    transaction: Transaction,
  ): Promise<UserStatus> {
    if (asked === undefined || asked === status) return status;
    if (asked === 'suspended') return asked;
    if (status === 'invited') throw new ConflictError('This user has not accepted the invitation yet.');
    return (await this.repository.hasPassword(id, transaction)) ? 'active' : 'invited';
  }
}
