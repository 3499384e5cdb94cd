import fc from 'fast-check';
import type { Grant, GrantConditions, GrantScope } from '../../../kernel/grant.js';
import { RoleGraph, type RoleNode } from '../roles/role-graph.js';
import type { AccessContext } from './access-context.js';
import { CompiledGrants, type Decision } from './compiled-grants.js';
import type { Facts } from './conditions.js';

const ME = 'usr_me';
const NOW = 1_000_000;
const PERMISSIONS = [
  'clients:read',
  'clients:write',
  'clients:admin',
  'users:read',
  'users:admin',
  'things:do',
  'admin',
];
const OBJECTS = ['c1', 'c2'];

const roles = fc
  .array(
    fc.record({
      permissions: fc.uniqueArray(fc.constantFrom(...PERMISSIONS), { maxLength: 3 }),
      parents: fc.uniqueArray(fc.nat(7), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .chain((list) =>
    // Mostly without cycles; now and then with one, as SQL could make it.
    fc.integer({ min: 0, max: 9 }).map((luck) =>
      list.map(
        ({ permissions, parents }, index): RoleNode => ({
          id: `r${index}`,
          name: `r${index}`,
          builtin: false,
          permissions,
          parents: parents
            .filter((parent) => parent < list.length && (luck === 0 || parent < index))
            .map((parent) => `r${parent}`),
        }),
      ),
    ),
  );

const conditions: fc.Arbitrary<GrantConditions | null> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.record(
      {
        countries: fc.constantFrom(['DE'], ['FR', 'DE']),
        methods: fc.constantFrom(['session'], ['otp', 'jwt']),
        max_auth_age_seconds: fc.constantFrom(10, 1_000),
        mfa: fc.constant(true as const),
        own_only: fc.constant(true as const),
      },
      { requiredKeys: [] },
    ),
  },
);

const scope: fc.Arbitrary<GrantScope> = fc.oneof(
  fc.constant({ type: 'all' } as const),
  fc.constantFrom(...OBJECTS).map((id) => ({ type: 'client', id }) as const),
  fc.constantFrom(...OBJECTS).map((id) => ({ type: 'resource', resource: 'clients', id }) as const),
);

const grants = fc
  .array(
    fc.record({
      roleId: fc.nat(7).map((index) => `r${index}`),
      effect: fc.oneof(
        { weight: 3, arbitrary: fc.constant('allow' as const) },
        { weight: 1, arbitrary: fc.constant('deny' as const) },
      ),
      scope,
      conditions,
      expiresAt: fc.constantFrom(null, null, NOW - 1, NOW, NOW + 1),
    }),
    { maxLength: 8 },
  )
  .map((list) => list.map((grant, index): Grant => ({ id: `g${index}`, ...grant })));

const facts = fc
  .record({
    country: fc.constantFrom(null, 'DE', 'FR', 'US'),
    objects: fc.constantFrom(
      [],
      [{ type: 'clients', id: 'c1' }],
      [
        { type: 'clients', id: 'c2' },
        { type: 'secrets', id: 's' },
      ],
    ),
    ownerId: fc.constantFrom(null, ME, 'usr_other'),
    methods: fc.constantFrom(null, ['session'], ['jwt', 'pwd'], ['client']),
    authenticatedAt: fc.constantFrom(null, NOW - 5_000, NOW - 500_000),
    mfa: fc.constantFrom(null, true, false),
  })
  .map(
    ({ methods, authenticatedAt, mfa, ...context }): Facts => ({
      context: { address: null, now: NOW, ...context },
      proof: { methods, authenticatedAt, mfa },
      userId: ME,
    }),
  );

type Truth = true | false | null;

/** The same rules said as plainly as can be, with no thought of speed: what is compiled must come to the same. */
function plainly(all: readonly Grant[], nodes: readonly RoleNode[], permission: string, given: Facts): Decision {
  const inForce = all.filter(({ expiresAt }) => expiresAt === null || expiresAt > NOW);
  const about = ({ scope: where }: Grant) =>
    where.type === 'all' || given.context.objects.some(({ type, id }) => type === 'clients' && id === where.id);
  const denials = inForce.filter(
    (grant) =>
      grant.effect === 'deny' &&
      about(grant) &&
      takes(heldBy(grant.roleId, nodes), permission) &&
      truthOf(grant, given) !== false,
  );
  if (denials.some((grant) => grant.scope.type === 'all')) return 'denied';
  const giving = inForce.filter((grant) => grant.effect === 'allow' && has(heldBy(grant.roleId, nodes), permission));
  const allowed = giving.some((grant) => about(grant) && truthOf(grant, given) === true);
  if (allowed && denials.length === 0) return 'allowed';
  const own = { ...given, context: { ...given.context, ownerId: ME, objects: [{ type: 'x', id: 'x' }] } };
  const somewhere = giving.some((grant) => truthOf(grant, own) === true);
  return given.context.objects.length > 0 && somewhere ? 'elsewhere' : 'denied';
}

function heldBy(id: string, nodes: readonly RoleNode[], seen: readonly string[] = []): string[] {
  const node = nodes.find((each) => each.id === id);
  if (node === undefined || seen.includes(id)) return [];
  return [...node.permissions, ...node.parents.flatMap((parent) => heldBy(parent, nodes, [...seen, id]))];
}

function has(held: readonly string[], permission: string): boolean {
  return held.some((each) => implies(each, permission));
}

function takes(held: readonly string[], permission: string): boolean {
  return held.some((each) => implies(each, permission) || implies(permission, each));
}

function implies(one: string, other: string): boolean {
  if (one === other || one === 'admin') return true;
  return one.endsWith(':admin') && other.split(':')[0] === one.split(':')[0];
}

function truthOf({ conditions: asked }: Grant, { context, proof }: Facts): Truth {
  const truths: Truth[] = [];
  if (asked?.countries) truths.push(context.country === null ? null : asked.countries.includes(context.country));
  if (asked?.mfa) truths.push(proof.mfa);
  if (asked?.methods)
    truths.push(proof.methods === null ? null : asked.methods.some((each) => proof.methods?.includes(each)));
  if (asked?.max_auth_age_seconds)
    truths.push(
      proof.authenticatedAt === null ? null : NOW - proof.authenticatedAt <= asked.max_auth_age_seconds * 1000,
    );
  if (asked?.own_only) truths.push(context.objects.length === 0 ? null : context.ownerId === ME);
  if (truths.includes(false)) return false;
  return truths.includes(null) ? null : true;
}

describe('compiled grants', () => {
  it('come to what the rules say, whatever the roles, grants and circumstances', () => {
    fc.assert(
      fc.property(roles, grants, facts, fc.constantFrom(...PERMISSIONS), (nodes, all, given, permission) => {
        const compiled = new CompiledGrants(all, new RoleGraph(nodes, ['things:do']));
        expect(compiled.decide(permission, given)).toBe(plainly(all, nodes, permission, given));
      }),
      { numRuns: 3_000 },
    );
  });

  it('let through without knowing the owner only what every owner would, and refuse likewise', () => {
    fc.assert(
      fc.property(roles, grants, facts, fc.constantFrom(...PERMISSIONS), (nodes, all, given, permission) => {
        const compiled = new CompiledGrants(all, new RoleGraph(nodes, ['things:do']));
        const { ownerId: _unknown, ...rest } = given.context;
        const decision = compiled.decide(permission, { ...given, context: rest });
        const byOwner = [null, ME, 'usr_other'].map((ownerId) =>
          compiled.decide(permission, { ...given, context: { ...rest, ownerId } }),
        );
        if (decision !== 'unowned') for (const each of byOwner) expect(each === 'allowed').toBe(decision === 'allowed');
        expect(byOwner).not.toContain('unowned');
      }),
      { numRuns: 2_000 },
    );
  });

  it('hold what holds others only with all of it', () => {
    fc.assert(
      fc.property(roles, grants, facts, (nodes, all, given) => {
        const compiled = new CompiledGrants(all, new RoleGraph(nodes, ['things:do']));
        const held = PERMISSIONS.filter((permission) => compiled.decide(permission, given) === 'allowed');
        for (const one of held) for (const other of PERMISSIONS) if (implies(one, other)) expect(held).toContain(other);
      }),
      { numRuns: 2_000 },
    );
  });

  it('list the very objects they would let through one by one', () => {
    fc.assert(
      fc.property(roles, grants, facts, fc.constantFrom(...PERMISSIONS), (nodes, all, given, permission) => {
        fc.pre(
          all.every(
            ({ conditions: asked, scope: where, effect }) =>
              asked?.own_only === undefined || (where.type === 'all' && effect === 'allow'),
          ),
        );
        const compiled = new CompiledGrants(all, new RoleGraph(nodes, ['things:do']));
        const list: AccessContext = { ...given.context, objects: [] };
        const {
          all: everything,
          ids,
          ownerId,
          except,
        } = compiled.reach(permission, 'clients', { ...given, context: list });
        for (const id of OBJECTS) {
          const isTheirs = ownerId !== null && ownerId === given.context.ownerId;
          const listed = !except.includes(id) && (everything || ids.includes(id) || isTheirs);
          const shown = compiled.decide(permission, {
            ...given,
            context: { ...given.context, objects: [{ type: 'clients', id }] },
          });
          expect(listed).toBe(shown === 'allowed');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
