import { Injectable } from '@nestjs/common';
import { InvalidRequestError, NotFoundError } from '../../../kernel/app-error.js';
import { ConflictError } from '../../../kernel/identity-errors.js';
import { isId, newId } from '../../../kernel/ids.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import { AuditService } from '../../../records/audit/audit.service.js';
import type { Author } from '../authority/author.js';
import { OUTRIGHT } from '../authority/authority.js';
import { affectedBy, assertHolds, assertMayGive, takenBy } from '../authority/role-authority.js';
import { roleEvent, roleUpdated } from './role-audit.js';
import { type FollowedChange, RoleChanges } from './role-changes.service.js';
import type { RoleGraph, RoleNode } from './role-graph.js';
import { assertShape, MAX_ROLES } from './role-shape.js';
import { type Role, type RoleContent, type RoleSortKey, RolesRepository } from './roles.repository.js';

/** What a role is made of; absent: empty. */
export type NewRole = Pick<RoleContent, 'name'> & Partial<RoleContent>;

const NO_ROLE = 'There is no role with this id.';

/**
 * Making, changing and deleting roles. Nobody makes one of what they do not hold, or touches one that holds, itself or in
 * a role that inherits from it, more than they do. PostgreSQL decides; without it every call rejects with its error.
 */
@Injectable()
export class RolesService {
  constructor(
    private readonly repository: RolesRepository,
    private readonly changes: RoleChanges,
    private readonly audit: AuditService,
  ) {}

  list(query: ListQuery<RoleSortKey>): Promise<Role[]> {
    return this.repository.list(query);
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<Role> {
    return found(isId('rol', id) ? await this.repository.find(id) : null);
  }

  /**
   * @throws InvalidRequestError for a permission or parent that does not exist, or bounds that are exceeded;
   *   PermissionDeniedError for what the author does not hold; ConflictError when the name is taken.
   */
  create(
    author: Author,
    { name, description = '', permissions = [], parents = [] }: NewRole,
  ): Promise<FollowedChange<Role>> {
    const id = newId('rol');
    const content = { name, description, permissions, parents };
    return this.changes.run(async (transaction, graph) => {
      if (graph.size >= MAX_ROLES)
        throw new ConflictError(`There are ${MAX_ROLES} roles, which is the most. Delete one.`);
      const after = graph.with({ id, builtin: false, ...content });
      assertFits(graph, after, id);
      assertHolds(author, after.permissionsOf(id), graph, 'make a role with');
      await this.repository.insert(id, content, transaction);
      const role = found(await this.repository.find(id, transaction));
      await this.audit.record(roleEvent('role.create', author, role), transaction);
      return role;
    });
  }

  /**
   * @param changes absent fields stay.
   * @throws NotFoundError; as `create`; ConflictError for a role that everybody starts with; RoleCycleError when it would
   *   inherit from itself; LastAdministratorError when nobody would be left who may do everything.
   */
  update(author: Author, id: string, changes: Partial<RoleContent>): Promise<FollowedChange<Role>> {
    return this.changes.run(async (transaction, graph) => {
      const current = found(isId('rol', id) ? await this.repository.find(id, transaction) : null);
      assertChangeable(current);
      const content = { ...contentOf(current), ...changes };
      const after = graph.with({ ...current, ...content });
      assertFits(graph, after, id);
      assertHolds(author, affectedBy(graph, id), graph, 'change a role with');
      const raised = affectedBy(after, id);
      assertHolds(author, raised, graph, 'give a role');
      const below = graph.descendantsOf(id);
      if ((await this.repository.countGrants(below, transaction)) > 0)
        assertMayGive(author, raised, OUTRIGHT, graph, 'give those who have the role');
      // Whoever is denied the role is given what it no longer holds.
      if ((await this.repository.countGrants(below, transaction, 'deny')) > 0)
        assertMayGive(author, takenBy(graph, after, id), OUTRIGHT, graph, 'end a denial of');
      await this.repository.update(id, content, transaction);
      const role = found(await this.repository.find(id, transaction));
      await this.audit.record(roleUpdated(author, current, role), transaction);
      return role;
    });
  }

  /**
   * @throws NotFoundError; ConflictError for a role that everybody starts with, that somebody has, or that others inherit
   *   from; PermissionDeniedError for one that holds what the author does not.
   */
  remove(author: Author, id: string): Promise<FollowedChange<void>> {
    return this.changes.run(async (transaction, graph) => {
      const current = found(isId('rol', id) ? await this.repository.find(id, transaction) : null);
      assertChangeable(current);
      assertHolds(author, graph.permissionsOf(id), graph, 'delete a role with');
      const children = graph.childrenOf(id).length;
      if (children > 0)
        throw new ConflictError(`${counted(children, 'role')} inherit from it. Take it from their parents first.`);
      const grants = await this.repository.countGrants([id], transaction);
      if (grants > 0) throw new ConflictError(`It is in ${counted(grants, 'grant')}. Remove them first.`);
      await this.repository.remove(id, transaction);
      await this.audit.record(roleEvent('role.delete', author, current), transaction);
    });
  }
}

function found(role: Role | null): Role {
  if (role === null) throw new NotFoundError(NO_ROLE);
  return role;
}

function contentOf({ name, description, permissions, parents }: Role): RoleContent {
  return { name, description, permissions, parents };
}

function assertChangeable({ builtin, name }: Role): void {
  if (builtin)
    throw new ConflictError(`"${name}" is one of the roles everybody starts with. Make one that inherits from it.`);
}

function assertFits(before: RoleGraph, after: RoleGraph, id: string): void {
  const role = after.get(id) as RoleNode;
  const unknown = role.permissions.find((permission) => !before.isKnown(permission));
  if (unknown !== undefined)
    throw new InvalidRequestError([
      { location: 'body.permissions', message: `names "${unknown}", which is none; see GET /api/v1/permissions` },
    ]);
  for (const other of after.nodes())
    if (other.id !== id && other.name === role.name) throw new ConflictError('There is a role of this name already.');
  assertShape(after, id);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
