import { buildClient } from '../../../../test/support/throttle-guard.js';
import type { ClientAuth, UserAuth } from '../../../kernel/auth-state.js';
import type { Grant, GrantConditions, GrantScope } from '../../../kernel/grant.js';
import { Secret } from '../../../kernel/secret.js';
import { OPERATOR_ORIGIN } from '../../../records/audit/audit.service.js';
import { RoleGraph } from '../roles/role-graph.js';
import { type Author, OPERATOR_AUTHOR } from './author.js';
import { type Extent, givable, OUTRIGHT } from './authority.js';
import { assertMayEnd, assertMayMake, assertMayReplace } from './grant-authority.js';

const role = (id: string, ...permissions: string[]) => ({ id, name: id, builtin: false, permissions, parents: [] });
const GRAPH = new RoleGraph([
  role('reader', 'clients:read'),
  role('manager', 'clients:admin', 'grants:write'),
  role('owner', 'admin'),
]);
const NOW = 1_000_000;

function grant(overrides: Partial<Grant> = {}): Grant {
  return {
    id: 'g',
    roleId: 'reader',
    effect: 'allow',
    scope: { type: 'all' },
    conditions: null,
    expiresAt: null,
    ...overrides,
  };
}

function user(grants: readonly Grant[], scopes: readonly string[] | null = null): UserAuth {
  return {
    kind: 'user',
    method: 'jwt',
    userId: 'usr_author',
    tier: 'paid',
    scopes,
    sessionId: 'ses_1',
    tokenId: 't',
    grants,
    authenticatedAt: NOW,
    amr: ['pwd'],
    mfa: false,
    providerToken: null,
  };
}

const author = (state: UserAuth | ClientAuth): Author => ({
  caller: { state, context: { address: null, country: null, now: NOW, objects: [] } },
  origin: OPERATOR_ORIGIN,
  id: 'x',
});
const mayRead = (state: UserAuth | ClientAuth, extent: Extent) =>
  givable(state, extent, GRAPH).includes('clients:read');

describe('what may be given', () => {
  const X: GrantScope = { type: 'client', id: 'x' };
  const asResource: GrantScope = { type: 'resource', resource: 'clients', id: 'x' };
  const Y: GrantScope = { type: 'client', id: 'y' };
  const within = (conditions: GrantConditions | null): Extent => ({ ...OUTRIGHT, conditions });

  it.each<[string, Partial<Grant>, Partial<Extent>, boolean]>([
    ['outright what is held outright', {}, {}, true],
    ['for one object what is held for all', {}, { scope: X }, true],
    ['for all what is held for one object', { scope: X }, {}, false],
    ['for the same object', { scope: X }, { scope: X }, true],
    ['for the same object by its other name', { scope: X }, { scope: asResource }, true],
    ['for another', { scope: X }, { scope: Y }, false],
    ['for good what ends', { expiresAt: NOW + 1 }, {}, false],
    ['beyond its end', { expiresAt: NOW + 1 }, { expiresAt: NOW + 2 }, false],
    ['to its end', { expiresAt: NOW + 1 }, { expiresAt: NOW + 1 }, true],
    ['for a time what is held for good', {}, { expiresAt: NOW + 1 }, true],
    ['under no condition what is under one', { conditions: { mfa: true } }, {}, false],
    ['under the same', { conditions: { mfa: true } }, within({ mfa: true }), true],
    ['under another', { conditions: { mfa: true } }, within({ countries: ['DE'] }), false],
    ['under one more', { conditions: { mfa: true } }, within({ mfa: true, countries: ['DE'] }), true],
    [
      'in a range within',
      { conditions: { cidr: ['192.0.2.0/24'] } },
      within({ cidr: ['192.0.2.7', '192.0.2.128/25'] }),
      true,
    ],
    [
      'in a range without',
      { conditions: { cidr: ['192.0.2.0/24'] } },
      within({ cidr: ['192.0.2.7', '198.51.100.1'] }),
      false,
    ],
    ['in fewer countries', { conditions: { countries: ['DE', 'FR'] } }, within({ countries: ['FR'] }), true],
    ['in more countries', { conditions: { countries: ['DE'] } }, within({ countries: ['DE', 'FR'] }), false],
    ['by fewer methods', { conditions: { methods: ['otp', 'hwk'] } }, within({ methods: ['hwk'] }), true],
    ['by more methods', { conditions: { methods: ['otp'] } }, within({ methods: ['otp', 'pwd'] }), false],
    [
      'after a fresher sign-in',
      { conditions: { max_auth_age_seconds: 60 } },
      within({ max_auth_age_seconds: 30 }),
      true,
    ],
    ['after a staler one', { conditions: { max_auth_age_seconds: 60 } }, within({ max_auth_age_seconds: 90 }), false],
    [
      'in the same hours',
      { conditions: { hours: { zone: 'UTC', from: '08:00', to: '17:00' } } },
      within({ hours: { zone: 'UTC', from: '08:00', to: '17:00' } }),
      true,
    ],
    [
      'in other hours',
      { conditions: { hours: { zone: 'UTC', from: '08:00', to: '17:00' } } },
      within({ hours: { zone: 'UTC', from: '08:00', to: '18:00' } }),
      false,
    ],
    ['of one’s own, what is another’s own', { conditions: { own_only: true } }, within({ own_only: true }), false],
    [
      'under a condition nobody knows',
      { conditions: { moon: 'full' } as GrantConditions },
      within({ moon: 'full' } as GrantConditions),
      false,
    ],
  ])('%s', (_what, held, asked, expected) => {
    expect(mayRead(user([grant(held)]), { ...OUTRIGHT, ...asked })).toBe(expected);
  });

  it('is nothing of which anything is denied there', () => {
    const denied = (scope: GrantScope, conditions: GrantConditions | null = null) =>
      user([grant(), grant({ effect: 'deny', scope, conditions })]);
    expect(mayRead(denied({ type: 'all' }), { ...OUTRIGHT, scope: X })).toBe(false);
    expect(mayRead(denied({ type: 'all' }, { countries: ['KP'] }), OUTRIGHT)).toBe(false);
    expect(mayRead(denied(X), OUTRIGHT)).toBe(false);
    expect(mayRead(denied(X), { ...OUTRIGHT, scope: X })).toBe(false);
    expect(mayRead(denied(X), { ...OUTRIGHT, scope: Y })).toBe(true);
  });

  it('is no more than the token, the key and its addresses are good for', () => {
    expect(mayRead(user([grant()], ['users:read']), OUTRIGHT)).toBe(false);
    expect(mayRead(user([grant()], ['clients:admin']), OUTRIGHT)).toBe(true);
    const owner = { userId: 'usr_o', grants: [grant()] };
    expect(mayRead(buildClient({ scopes: ['clients:read'] }), OUTRIGHT)).toBe(true);
    expect(mayRead(buildClient({ scopes: ['users:read'], owner }), OUTRIGHT)).toBe(false);
    expect(mayRead(buildClient({ scopes: ['admin'], owner }), OUTRIGHT)).toBe(true);
    expect(mayRead(buildClient({ scopes: ['admin'], owner: { ...owner, grants: [] } }), OUTRIGHT)).toBe(false);
    const bound = buildClient({ scopes: ['admin'], allowedAddresses: ['192.0.2.0/24'] });
    expect(mayRead(bound, OUTRIGHT)).toBe(false);
    expect(givable(bound, { ...OUTRIGHT, conditions: { cidr: ['192.0.2.7'] } }, GRAPH)).toEqual(['admin']);
    const byot = { kind: 'byot', method: 'byot', providerToken: { value: new Secret('t'), provider: null } } as const;
    expect(givable(byot, OUTRIGHT, GRAPH)).toEqual([]);
  });
});

describe('who may give and take grants', () => {
  const manager = author(user([grant({ roleId: 'manager' })]));
  const owner = author(user([grant({ roleId: 'owner' })]));
  const reader = { userId: 'usr_r', roleIds: ['reader'] };
  const boss = { userId: 'usr_b', roleIds: ['reader', 'owner'] };
  const deny = (roleId: string) => grant({ roleId, effect: 'deny' });

  it('gives what they hold, whoever gets it', () => {
    expect(() => assertMayMake(manager, grant(), boss, GRAPH)).not.toThrow();
    expect(() => assertMayMake(manager, grant({ roleId: 'owner' }), reader, GRAPH)).toThrow(
      'You cannot grant the permission "admin", which you do not hold yourself as widely and for as long.',
    );
  });

  it('denies to nobody above them', () => {
    expect(() => assertMayMake(manager, deny('owner'), reader, GRAPH)).not.toThrow();
    expect(() => assertMayMake(manager, deny('reader'), boss, GRAPH)).toThrow(
      'You cannot take anything from a user with the permission "admin", which you do not hold yourself.',
    );
    expect(() => assertMayMake(owner, deny('reader'), boss, GRAPH)).not.toThrow();
  });

  it('takes from nobody above them, but from themselves', () => {
    expect(() => assertMayEnd(manager, grant(), boss, GRAPH)).toThrow('take anything from a user with');
    expect(() => assertMayEnd(manager, grant(), reader, GRAPH)).not.toThrow();
    const scoped = author(user([grant({ scope: { type: 'client', id: 'x' } })]));
    expect(() => assertMayEnd(scoped, grant(), { userId: 'usr_author', roleIds: ['reader'] }, GRAPH)).not.toThrow();
  });

  it('ends a denial only of what they hold, and never their own', () => {
    expect(() => assertMayEnd(manager, deny('owner'), reader, GRAPH)).toThrow(
      'You cannot end a denial of the permission "admin"',
    );
    expect(() => assertMayEnd(manager, deny('reader'), reader, GRAPH)).not.toThrow();
    const denied = author(user([grant({ roleId: 'manager' }), deny('reader')]));
    expect(() => assertMayEnd(denied, deny('reader'), { userId: 'usr_author', roleIds: ['manager'] }, GRAPH)).toThrow(
      'You cannot end a denial of the permission "clients:read"',
    );
  });

  it('widens a grant only to what they hold', () => {
    const forNow = author(user([grant({ roleId: 'manager', expiresAt: NOW + 5 })]));
    const short = grant({ expiresAt: NOW + 2 });
    expect(() => assertMayReplace(forNow, short, grant({ expiresAt: NOW + 4 }), reader, GRAPH)).not.toThrow();
    expect(() => assertMayReplace(forNow, short, grant(), reader, GRAPH)).toThrow('as widely and for as long');
  });

  it('is free to whoever has the machine', () => {
    expect(() => assertMayMake(OPERATOR_AUTHOR, grant({ roleId: 'owner' }), reader, GRAPH)).not.toThrow();
    expect(() => assertMayEnd(OPERATOR_AUTHOR, deny('owner'), boss, GRAPH)).not.toThrow();
  });
});
