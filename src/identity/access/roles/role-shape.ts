import { InvalidRequestError } from '../../../kernel/app-error.js';
import { RoleCycleError } from '../../../kernel/identity-errors.js';
import type { RoleGraph } from './role-graph.js';

/** Roles in a row, each inheriting from the next. */
export const MAX_DEPTH = 16;
/** Roles that one inherits from directly, and that inherit from one directly. */
export const MAX_FAN_OUT = 64;
export const MAX_ROLES = 5_000;

/**
 * Whether the roles are still in bounds after one of them was made or changed.
 *
 * @param after the graph with the change in it.
 * @throws RoleCycleError naming the way round; InvalidRequestError for parents that are unknown or too many, or a chain
 *   that is too long.
 */
export function assertShape(after: RoleGraph, id: string): void {
  const parents = after.get(id)?.parents ?? [];
  const refuse = (message: string) => {
    throw new InvalidRequestError([{ location: 'body.parents', message }]);
  };
  const unknown = parents.find((parent) => after.get(parent) === undefined);
  if (unknown !== undefined) refuse('names a role that does not exist');
  if (parents.length > MAX_FAN_OUT) refuse(`must name at most ${MAX_FAN_OUT} roles`);
  const crowded = parents.find((parent) => after.childrenOf(parent).length > MAX_FAN_OUT);
  if (crowded !== undefined)
    refuse(
      `names "${after.get(crowded)?.name}", from which ${MAX_FAN_OUT} roles inherit already; inherit from one of those`,
    );
  const below = after.descendantsOf(id);
  const loop = parents.find((parent) => below.includes(parent));
  if (loop !== undefined) throw cycle(after, id, loop);
  const depth =
    longest(id, (each) => after.get(each)?.parents ?? []) + longest(id, (each) => after.childrenOf(each)) - 1;
  if (depth > MAX_DEPTH) refuse(`would make a chain of ${depth} roles, and ${MAX_DEPTH} is the most`);
}

function cycle(after: RoleGraph, id: string, parent: string): RoleCycleError {
  const [role, other] = [after.get(id)?.name, after.get(parent)?.name];
  return new RoleCycleError(
    id === parent
      ? `The role "${role}" cannot inherit from itself.`
      : `The role "${role}" cannot inherit from "${other}", which inherits from it.`,
  );
}

/** Roles on the longest way from one, itself included. There are no cycles: they were refused before. */
function longest(from: string, next: (id: string) => readonly string[]): number {
  const known = new Map<string, number>();
  const measure = (id: string): number => {
    let length = known.get(id);
    if (length === undefined) {
      length = 1 + Math.max(0, ...next(id).map(measure));
      known.set(id, length);
    }
    return length;
  };
  return measure(from);
}
