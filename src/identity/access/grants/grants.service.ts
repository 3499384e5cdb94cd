import { Injectable } from '@nestjs/common';
import { InvalidRequestError, NotFoundError } from '../../../kernel/app-error.js';
import { ConflictError } from '../../../kernel/identity-errors.js';
import { isId, newId } from '../../../kernel/ids.js';
import { type Transaction, Transactions } from '../../../platform/database/transactions.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import type { Propagation } from '../../../platform/replicas/change.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { AuditService } from '../../../records/audit/audit.service.js';
import { PrincipalChanges } from '../../principals/principal-changes.service.js';
import { AdministratorsService } from '../administrators/administrators.service.js';
import type { Author } from '../authority/author.js';
import { assertMayEnd, assertMayMake, assertMayReplace, assertNotAbove } from '../authority/grant-authority.js';
import { resourceOf } from '../check/permission-terms.js';
import type { RoleGraph } from '../roles/role-graph.js';
import { RoleGraphRepository } from '../roles/role-graph.repository.js';
import { grantEvent, grantUpdated } from './grant-audit.js';
import {
  type GrantChanges,
  type GrantSortKey,
  GrantsRepository,
  type GrantToInsert,
  type StoredGrant,
  toGrant,
} from './grants.repository.js';

export { type Author, authorOf } from '../authority/author.js';

/** What is given to a user, or denied. */
export type NewGrant = Omit<GrantToInsert, 'id' | 'userId' | 'grantedBy'>;

export interface NamedGrant {
  readonly grant: StoredGrant;
  readonly roleName: string;
}

/** A grant as it is now, and how far word of it got. */
export interface FollowedGrant extends NamedGrant {
  readonly propagation: Propagation;
}

/** Grants a user can have, ended ones included. */
export const MAX_GRANTS = 10_000;
/** Those of them with conditions, which are asked one after the other. */
export const MAX_CONDITIONAL = 200;

/**
 * Giving roles to users, and denying them. Nobody gives what they do not hold at least as widely and for as long, and
 * nobody takes from who holds more than they do. What is changed is in force with the user's next request everywhere.
 * PostgreSQL decides; without it every call rejects with its error.
 */
@Injectable()
export class GrantsService {
  constructor(
    private readonly repository: GrantsRepository,
    private readonly graphs: RoleGraphRepository,
    private readonly transactions: Transactions,
    private readonly administrators: AdministratorsService,
    private readonly principals: PrincipalChanges,
    private readonly audit: AuditService,
    private readonly clock: DatabaseClock,
  ) {}

  /** @throws NotFoundError when there is no such user. */
  async list(userId: string, query: ListQuery<GrantSortKey>): Promise<StoredGrant[]> {
    if (!isId('usr', userId) || !(await this.repository.userExists(userId))) throw noUser();
    return this.repository.list(userId, query);
  }

  /** @throws NotFoundError when the user has no such grant. */
  async get(userId: string, id: string): Promise<StoredGrant> {
    return found(isGrantOf(userId, id) ? await this.repository.find(userId, id) : null);
  }

  /**
   * @throws NotFoundError when there is no such user; InvalidRequestError for an unknown role or resource, or an end that
   *   is past; PermissionDeniedError for what the author may not give or take; ConflictError when the user has too many
   *   grants; LastAdministratorError when it denies something to the last one.
   */
  async give(author: Author, userId: string, input: NewGrant): Promise<FollowedGrant> {
    const { done, propagation } = await this.#follow(userId, (transaction) =>
      this.giveWithin(transaction, author, userId, input),
    );
    return { ...done, propagation };
  }

  /** The same as a part of a transaction, of which the caller sees the change of the user through. */
  giveWithin(transaction: Transaction, author: Author, userId: string, input: NewGrant): Promise<NamedGrant> {
    assertFuture(input.expiresAt, this.clock.now());
    return this.administrators.assertOneRemains(transaction, async () => {
      const graph = await this.graphs.read(transaction);
      const grant = { id: newId('grt'), userId, grantedBy: author.id, ...input };
      await this.#assertRoom(grant, transaction);
      assertExists(grant, graph);
      const to = { userId, roleIds: await this.repository.rolesGiven(userId, transaction) };
      assertMayMake(author, toGrant({ ...grant, createdAt: new Date(0) }), to, graph);
      await this.repository.insert(grant, transaction);
      const stored = found(await this.repository.find(userId, grant.id, transaction));
      return this.#recorded('grant.create', author, stored, graph, transaction);
    });
  }

  /**
   * Changes the conditions, the end or the reason. Another role, scope or effect is another grant.
   *
   * @throws NotFoundError; as `give`.
   */
  async update(author: Author, userId: string, id: string, changes: GrantChanges): Promise<FollowedGrant> {
    if (changes.expiresAt !== undefined) assertFuture(changes.expiresAt, this.clock.now());
    const { done, propagation } = await this.#follow(userId, (transaction) =>
      this.administrators.assertOneRemains(transaction, async () => {
        const { grant, graph, grantee } = await this.#current(userId, id, transaction);
        const after = { ...grant, ...changes };
        assertMayReplace(author, toGrant(grant), toGrant(after), grantee, graph);
        if (grant.conditions === null && after.conditions !== null)
          await this.#assertRoomForConditions(userId, transaction);
        await this.repository.update(id, changes, transaction);
        const roleName = nameOf(after, graph);
        await this.audit.record(grantUpdated(author, grant, after, roleName), transaction);
        return { grant: after, roleName };
      }),
    );
    return { ...done, propagation };
  }

  /**
   * @throws NotFoundError; PermissionDeniedError when the user holds what the author does not, or an end to a denial would
   *   give that; LastAdministratorError when it is what makes the last one.
   */
  async revoke(author: Author, userId: string, id: string): Promise<Propagation> {
    const { propagation } = await this.#follow(userId, (transaction) =>
      this.administrators.assertOneRemains(transaction, async () => {
        const { grant, graph, grantee } = await this.#current(userId, id, transaction);
        assertMayEnd(author, toGrant(grant), grantee, graph);
        await this.repository.remove(id, transaction);
        return this.#recorded('grant.revoke', author, grant, graph, transaction);
      }),
    );
    return propagation;
  }

  /**
   * For whoever changes users: nobody touches one who is given what they do not hold. Under the lock of
   * `AdministratorsService.assertOneRemains` nothing is given meanwhile.
   *
   * @throws PermissionDeniedError naming a permission of the user that the author lacks.
   */
  async assertMayManage(author: Author, userId: string, transaction: Transaction): Promise<void> {
    const graph = await this.graphs.read(transaction);
    const roleIds = await this.repository.rolesGiven(userId, transaction);
    assertNotAbove(author, { userId, roleIds }, graph, 'manage a user with');
  }

  async #follow<T>(userId: string, work: (transaction: Transaction) => Promise<T>) {
    const { done, change } = await this.transactions.run(async (transaction) => ({
      done: await work(transaction),
      change: await this.principals.changed(userId, transaction),
    }));
    return { done, propagation: await this.principals.follow(change) };
  }

  async #current(userId: string, id: string, transaction: Transaction) {
    const grant = found(isGrantOf(userId, id) ? await this.repository.find(userId, id, transaction) : null);
    const graph = await this.graphs.read(transaction);
    return { grant, graph, grantee: { userId, roleIds: await this.repository.rolesGiven(userId, transaction) } };
  }

  async #recorded(
    action: 'grant.create' | 'grant.revoke',
    author: Author,
    grant: StoredGrant,
    graph: RoleGraph,
    transaction: Transaction,
  ): Promise<NamedGrant> {
    const roleName = nameOf(grant, graph);
    await this.audit.record(grantEvent(action, author, grant, roleName), transaction);
    return { grant, roleName };
  }

  async #assertRoom({ userId, conditions }: Pick<StoredGrant, 'userId' | 'conditions'>, transaction: Transaction) {
    const { all } = await this.#count(userId, transaction);
    if (all >= MAX_GRANTS)
      throw new ConflictError(
        `The user has ${MAX_GRANTS} grants, which is the most. Remove some, or make a role of them.`,
      );
    if (conditions !== null) await this.#assertRoomForConditions(userId, transaction);
  }

  async #assertRoomForConditions(userId: string, transaction: Transaction) {
    const { conditional } = await this.#count(userId, transaction);
    if (conditional >= MAX_CONDITIONAL)
      throw new ConflictError(
        `The user has ${MAX_CONDITIONAL} grants with conditions, which is the most. Remove some.`,
      );
  }

  async #count(userId: string, transaction: Transaction) {
    const count = isId('usr', userId) ? await this.repository.count(userId, transaction) : null;
    if (count === null) throw noUser();
    return count;
  }
}

function assertFuture(expiresAt: Date | null, now: number): void {
  if (expiresAt !== null && expiresAt.getTime() <= now)
    throw new InvalidRequestError([{ location: 'body.expires_at', message: 'must be in the future' }]);
}

function assertExists(
  { roleId, scopeResource }: Pick<StoredGrant, 'roleId' | 'scopeResource'>,
  graph: RoleGraph,
): void {
  if (graph.get(roleId) === undefined)
    throw new InvalidRequestError([
      { location: 'body.role_id', message: 'is the id of no role; see GET /api/v1/roles' },
    ]);
  if (scopeResource !== null && !graph.permissions.some((permission) => resourceOf(permission) === scopeResource))
    throw new InvalidRequestError([
      { location: 'body.scope.resource', message: 'is what no permission is about; see GET /api/v1/permissions' },
    ]);
}

function nameOf({ roleId }: StoredGrant, graph: RoleGraph): string {
  return graph.get(roleId)?.name ?? roleId;
}

function isGrantOf(userId: string, id: string): boolean {
  return isId('usr', userId) && isId('grt', id);
}

function found(grant: StoredGrant | null): StoredGrant {
  if (grant === null) throw new NotFoundError('There is no grant with this id.');
  return grant;
}

function noUser(): NotFoundError {
  return new NotFoundError('There is no user with this id.');
}
