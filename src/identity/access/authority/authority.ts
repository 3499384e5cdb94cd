import type { AuthState } from '../../../kernel/auth-state.js';
import type { Grant, GrantConditions, GrantScope } from '../../../kernel/grant.js';
import { coversRange, readAddressRange } from '../../../platform/http/address-ranges.js';
import type { AccessContext } from '../check/access-context.js';
import { objectKey } from '../check/access-context.js';
import { objectOf } from '../check/compiled-grants.js';
import { PrincipalCheck } from '../check/principal-check.js';
import type { RoleGraph } from '../roles/role-graph.js';

/** Where, when and how long something given holds. */
export type Extent = Pick<Grant, 'scope' | 'conditions' | 'expiresAt'>;

/** Everywhere, always, without end. */
export const OUTRIGHT: Extent = { scope: { type: 'all' }, conditions: null, expiresAt: null };

/** Everything of a principal who is somewhere, at some time: no one asks where. */
const ANYWHERE: AccessContext = { address: null, country: null, now: 0, objects: [] };

/**
 * What somebody may give to others to this extent: what they hold themselves at least as widely and for as long, whether
 * or not its conditions hold at this moment. A grant that ends tomorrow, or holds from the office alone, is good for no
 * grant that goes on or holds elsewhere; and nothing is given of which anything is denied to the giver.
 */
export function givable(state: AuthState, extent: Extent, graph: RoleGraph): readonly string[] {
  const check = new PrincipalCheck(() => graph);
  switch (state.kind) {
    case 'byot':
      return [];
    case 'user':
      return check.permissionsOf({ ...state, grants: grantsCovering(state.grants, extent) }, ANYWHERE);
    case 'client': {
      const { owner, allowedAddresses } = state;
      // A key that is good from some addresses only gives nothing that is good from others.
      if (allowedAddresses !== null && !coversCidr(allowedAddresses, extent.conditions?.cidr)) return [];
      const covering = owner && { ...owner, grants: grantsCovering(owner.grants, extent) };
      return check.permissionsOf({ ...state, owner: covering }, ANYWHERE);
    }
  }
}

/** The grants that count for an extent, as if it were everywhere: those that allow all of it, and deny any of it. */
function grantsCovering(grants: readonly Grant[], extent: Extent): readonly Grant[] {
  return grants
    .filter((grant) => (grant.effect === 'allow' ? covers(grant, extent) : meets(grant.scope, extent.scope)))
    .map((grant) => ({ ...grant, ...OUTRIGHT }));
}

function covers(outer: Extent, inner: Extent): boolean {
  return coversScope(outer.scope, inner.scope) && coversEnd(outer, inner) && coversConditions(outer, inner);
}

function coversScope(outer: GrantScope, inner: GrantScope): boolean {
  return outer.type === 'all' || (inner.type !== 'all' && keyOf(outer) === keyOf(inner));
}

/** Whether there is an object in both. */
function meets(one: GrantScope, other: GrantScope): boolean {
  return coversScope(one, other) || coversScope(other, one);
}

function keyOf(scope: GrantScope): string {
  return scope.type === 'all' ? '' : objectKey(objectOf(scope));
}

function coversEnd({ expiresAt: outer }: Extent, { expiresAt: inner }: Extent): boolean {
  return outer === null || (inner !== null && inner <= outer);
}

/** Each condition of the one is a condition of the other, as narrow or narrower. */
function coversConditions({ conditions: outer }: Extent, { conditions: inner }: Extent): boolean {
  if (outer === null) return true;
  return Object.entries(outer).every(([name, value]) => {
    const asked = inner?.[name as keyof GrantConditions];
    const compare = COVERS[name];
    return value === undefined || (compare !== undefined && asked !== undefined && compare(value, asked));
  });
}

/** What the one condition lets through, of which the other may let no more. One's own objects are not another's. */
const COVERS: Readonly<Record<string, (outer: unknown, inner: unknown) => boolean>> = {
  cidr: (outer, inner) => coversCidr(outer as string[], inner as string[]),
  hours: (outer, inner) => JSON.stringify(outer) === JSON.stringify(inner),
  methods: (outer, inner) => isWithin(outer as string[], inner as string[]),
  countries: (outer, inner) => isWithin(outer as string[], inner as string[]),
  max_auth_age_seconds: (outer, inner) => (inner as number) <= (outer as number),
  mfa: () => true,
};

function isWithin(outer: readonly string[], inner: readonly string[]): boolean {
  return inner.every((each) => outer.includes(each));
}

function coversCidr(outer: readonly string[], inner: readonly string[] | undefined): boolean {
  const wide = outer.map(readAddressRange);
  return (
    inner?.every((text) => {
      const narrow = readAddressRange(text);
      return narrow !== null && wide.some((range) => range !== null && coversRange(range, narrow));
    }) ?? false
  );
}
