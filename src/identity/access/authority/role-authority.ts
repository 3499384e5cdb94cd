import { PermissionDeniedError } from '../../../kernel/app-error.js';
import { firstMissing, holdsIn } from '../check/permission-terms.js';
import { PrincipalCheck } from '../check/principal-check.js';
import type { RoleGraph } from '../roles/role-graph.js';
import type { Author } from './author.js';
import { type Extent, givable } from './authority.js';

/**
 * Nobody gives what they lack. Roles are taken as they are in the transaction that changes them, not as this replica
 * remembers them: what was added to a role a moment ago is not given away by who does not hold it.
 */

/** @throws PermissionDeniedError when the author does not hold all of a role at this moment, everywhere. */
export function assertHolds(author: Author, permissions: Iterable<string>, graph: RoleGraph, doing: string): void {
  if (author.caller === null) return;
  const { state, context } = author.caller;
  const held = new PrincipalCheck(() => graph).permissionsOf(state, context);
  const missing = firstMissing(held, permissions);
  if (missing !== null)
    throw new PermissionDeniedError(`You cannot ${doing} the permission "${missing}", which you do not hold yourself.`);
}

/** @throws PermissionDeniedError when the author does not hold all of it to that extent (see `givable`). */
export function assertMayGive(
  author: Author,
  permissions: Iterable<string>,
  extent: Extent,
  graph: RoleGraph,
  doing: string,
): void {
  if (author.caller === null) return;
  const missing = firstMissing(givable(author.caller.state, extent, graph), permissions);
  if (missing !== null)
    throw new PermissionDeniedError(
      `You cannot ${doing} the permission "${missing}", which you do not hold yourself as widely and for as long.`,
    );
}

/** All that a role and those that inherit from it hold: what a change of it changes. */
export function affectedBy(graph: RoleGraph, roleId: string): ReadonlySet<string> {
  return new Set(graph.descendantsOf(roleId).flatMap((id) => [...graph.permissionsOf(id)]));
}

/** What a role and those that inherit from it hold no longer after a change. */
export function takenBy(before: RoleGraph, after: RoleGraph, roleId: string): ReadonlySet<string> {
  const taken = (id: string) =>
    [...before.permissionsOf(id)].filter((permission) => !holdsIn(after.permissionsOf(id), permission));
  return new Set(before.descendantsOf(roleId).flatMap(taken));
}
