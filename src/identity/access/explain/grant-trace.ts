import type { Grant } from '../../../kernel/grant.js';
import { objectKey } from '../check/access-context.js';
import { objectOf } from '../check/compiled-grants.js';
import { compileConditions, type Facts, type Outcome, outcomeOf } from '../check/conditions.js';
import { holdsIn, partOf } from '../check/permission-terms.js';
import { wallTime } from '../check/zoned-time.js';
import type { RoleGraph } from '../roles/role-graph.js';

/** What one condition came to, and by what. */
export interface ConditionTrace {
  readonly name: string;
  readonly outcome: Outcome;
  /** What the grant asks for. */
  readonly asked: unknown;
  /** What there was; null: not known. */
  readonly found: unknown;
}

/** What one grant says to a question. */
export interface GrantTrace {
  readonly grant: Grant;
  /** The permission of its role by which it bears on the question. */
  readonly by: string;
  /** Ids of roles: that of the grant, and by which parents it comes to the permission. */
  readonly path: readonly string[];
  readonly inScope: boolean;
  readonly ended: boolean;
  readonly conditions: readonly ConditionTrace[];
  /** It speaks here: it is in scope, has not ended, and its conditions hold, or for a deny do not fail. */
  readonly counts: boolean;
}

/** What every grant says whose role bears on a permission. Grants of other roles have nothing to say. */
export function traceGrants(
  grants: readonly Grant[],
  permission: string,
  graph: RoleGraph,
  facts: Facts,
): GrantTrace[] {
  return grants.flatMap((grant) => {
    const held = graph.permissionsOf(grant.roleId);
    if (holdsIn(held, permission)) return [trace(grant, permission, graph, facts)];
    const part = grant.effect === 'deny' ? partOf(held, permission) : null;
    return part === null ? [] : [trace(grant, part, graph, facts)];
  });
}

function trace(grant: Grant, by: string, graph: RoleGraph, facts: Facts): GrantTrace {
  const conditions = compileConditions(grant.conditions);
  const inScope = grant.scope.type === 'all' || isAbout(facts, objectKey(objectOf(grant.scope)));
  const ended = grant.expiresAt !== null && grant.expiresAt <= facts.context.now;
  const outcome = outcomeOf(conditions, facts);
  const speaks = grant.effect === 'allow' ? outcome === 'holds' : outcome !== 'fails';
  return {
    grant,
    by,
    path: graph.pathTo(grant.roleId, by) ?? [grant.roleId],
    inScope,
    ended,
    conditions: conditions.map((condition) => ({
      name: condition.name,
      outcome: condition.test(facts),
      asked: grant.conditions?.[condition.name],
      found: foundOf(condition.name, grant, facts),
    })),
    counts: inScope && !ended && speaks,
  };
}

function isAbout({ context }: Facts, key: string): boolean {
  return context.objects.some((object) => objectKey(object) === key);
}

function foundOf(name: string, { conditions }: Grant, { context, proof }: Facts): unknown {
  switch (name) {
    case 'cidr':
      return context.address;
    case 'countries':
      return context.country;
    case 'methods':
      return proof.methods;
    case 'mfa':
      return proof.mfa;
    case 'max_auth_age_seconds':
      return proof.authenticatedAt === null ? null : Math.floor((context.now - proof.authenticatedAt) / 1000);
    case 'own_only':
      return context.objects.length === 0 ? null : (context.ownerId ?? null);
    case 'hours':
      return conditions?.hours === undefined ? null : clockOf(conditions.hours.zone, context.now);
    default:
      return null;
  }
}

function clockOf(zone: string, now: number): { readonly day: number; readonly time: string } {
  const { day, minute } = wallTime(zone, now);
  const two = (number: number) => String(number).padStart(2, '0');
  return { day, time: `${two(Math.floor(minute / 60))}:${two(minute % 60)}` };
}
