import { selfOf } from '../../../kernel/auth-state.js';
import type { Grant } from '../../../kernel/grant.js';
import type { RoleGraph } from '../roles/role-graph.js';
import type { Author } from './author.js';
import { assertHolds, assertMayGive } from './role-authority.js';

const TAKING = 'take anything from a user with';

/** Whose grant it is, and what that user is given by all roles of theirs, whatever the scope and conditions. */
export interface Grantee {
  readonly userId: string;
  readonly roleIds: readonly string[];
}

/**
 * Giving takes holding as much, as widely and for as long; taking takes being no lower than the user. What is given by
 * an end to a denial is given too.
 *
 * @throws PermissionDeniedError naming a permission that the author lacks.
 */
export function assertMayMake(author: Author, grant: Grant, to: Grantee, graph: RoleGraph): void {
  if (grant.effect === 'allow') assertMayGive(author, graph.permissionsOf(grant.roleId), grant, graph, 'grant');
  else assertNotAbove(author, to, graph, TAKING);
}

/** As {@link assertMayMake}. */
export function assertMayEnd(author: Author, grant: Grant, of: Grantee, graph: RoleGraph): void {
  assertNotAbove(author, of, graph, TAKING);
  if (grant.effect === 'deny')
    assertMayGive(author, graph.permissionsOf(grant.roleId), grant, graph, 'end a denial of');
}

/** As {@link assertMayMake}; a change ends what was, and makes what will be. */
export function assertMayReplace(author: Author, before: Grant, after: Grant, of: Grantee, graph: RoleGraph): void {
  assertMayEnd(author, before, of, graph);
  assertMayMake(author, after, of, graph);
}

/**
 * Nobody touches who is given what they do not hold themselves, whatever its scope and conditions. Everybody is their
 * own, and may give up what is theirs, though they hold it for some objects alone.
 *
 * @throws PermissionDeniedError naming a permission that the author lacks.
 */
export function assertNotAbove(author: Author, { userId, roleIds }: Grantee, graph: RoleGraph, doing: string): void {
  if (author.caller !== null && selfOf(author.caller.state) === userId) return;
  const held = new Set(roleIds.flatMap((id) => [...graph.permissionsOf(id)]));
  assertHolds(author, held, graph, doing);
}
