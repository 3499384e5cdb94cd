import type { ExecutionContext } from '@nestjs/common';
import { buildAccess } from '../../../test/support/access.js';
import { buildClient, buildIdentity } from '../../../test/support/throttle-guard.js';
import type { AuthState, RequestIdentity } from '../../kernel/auth-state.js';
import type { Grant } from '../../kernel/grant.js';
import { Public, Require, RequireSelf, WithinReach } from '../../kernel/handler-marks.js';
import { Secret } from '../../kernel/secret.js';
import type { DeniedPermissions } from '../../records/audit/denials/denied-permissions.service.js';
import { AccessGuard } from './access.guard.js';
import { ResourceOwners } from './resource-owners.service.js';
import { RoleGraph } from './roles/role-graph.js';

class Routes {
  @Public() open() {}
  @Require('clients:read') readOne() {}
  @Require('clients:read') @WithinReach('clients') list() {}
  @Require('clients:read') listAll() {}
  @Require('ip_rules:read') rule() {}
  @RequireSelf('sessions:read') mine() {}
  @Require('clients:read') @RequireSelf('sessions:read') both() {}
}

@RequireSelf('sessions:read')
class Mine {
  inherits() {}
  @Require('clients:read') asksElse() {}
}

const graph = new RoleGraph([
  { id: 'reader', name: 'reader', builtin: false, permissions: ['clients:read', 'ip_rules:read'], parents: [] },
]);
const FENCE = { key: 'k', stamp: '1|', ttlMs: 1 };
const BYOT: AuthState = { kind: 'byot', method: 'byot', providerToken: { value: new Secret('t'), provider: null } };

const grant = (overrides: Partial<Grant> = {}): Grant => ({
  id: 'g',
  roleId: 'reader',
  effect: 'allow',
  scope: { type: 'all' },
  conditions: null,
  expiresAt: null,
  ...overrides,
});

function user(grants: readonly Grant[], scopes: readonly string[] | null = null): AuthState {
  return {
    kind: 'user',
    method: 'jwt',
    userId: 'usr_me',
    tier: 'paid',
    scopes,
    sessionId: 'ses_1',
    tokenId: null,
    grants,
    authenticatedAt: 0,
    amr: [],
    mfa: false,
    providerToken: null,
  };
}

function guardOf(owners: ResourceOwners = new ResourceOwners()) {
  const told: [string | null, string][] = [];
  const denials = {
    refused: (_request: unknown, permission: string | null, code: string) => told.push([permission, code]),
  };
  const guard = new AccessGuard(buildAccess({ graph }), owners, denials as unknown as DeniedPermissions);
  const ask = async (route: keyof Routes | keyof Mine, identity: RequestIdentity | null, params: object = {}) => {
    const controller = route in Routes.prototype ? Routes : Mine;
    const request = { identity, record: { address: '192.0.2.1' }, params };
    const execution = {
      getHandler: () => (controller.prototype as unknown as Record<string, unknown>)[route],
      getClass: () => controller,
      getArgByIndex: () => request,
    } as unknown as ExecutionContext;
    return guard.canActivate(execution);
  };
  return { ask, told };
}

const certain = (state: AuthState) => buildIdentity(state);

describe('AccessGuard', () => {
  it('lets everybody through a public route, and nobody without an identity through another', async () => {
    const { ask } = guardOf();
    await expect(ask('open', null)).resolves.toBe(true);
    await expect(ask('readOne', null)).rejects.toThrow('Credentials cannot be checked right now');
  });

  it('tells of each refusal what was asked for, and of none that did not come about', async () => {
    const { ask, told } = guardOf();
    await expect(ask('readOne', certain(user([])))).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining('you do not hold'),
    });
    await expect(ask('mine', certain(buildClient()))).rejects.toMatchObject({ code: 'user_required' });
    const elsewhere = user([grant({ scope: { type: 'client', id: 'a' } })]);
    await expect(ask('readOne', certain(elsewhere), { client_id: 'b' })).rejects.toMatchObject({ status: 404 });
    await ask('readOne', certain(elsewhere), { client_id: 'a' });
    expect(told).toEqual([
      ['clients:read', 'permission_denied'],
      ['sessions:read', 'user_required'],
      ['clients:read', 'not_found'],
    ]);
  });

  it('refuses only an identity that is certain', async () => {
    const { ask, told } = guardOf();
    const confirmedAs = (state: AuthState) =>
      buildIdentity(user([]), { fence: FENCE, confirm: async () => certain(state) });
    await expect(ask('readOne', confirmedAs(user([grant()])))).resolves.toBe(true);
    expect(told).toEqual([]);
    await expect(ask('readOne', confirmedAs(user([])))).rejects.toMatchObject({ status: 403 });
  });

  it('looks an owner up where a grant depends on it, and once', async () => {
    const owners = new ResourceOwners();
    const asked: string[] = [];
    owners.register('clients', async (id) => {
      asked.push(id);
      return id === 'mine' ? 'usr_me' : null;
    });
    const { ask } = guardOf(owners);
    const own = user([grant({ conditions: { own_only: true } })]);
    await expect(ask('readOne', certain(own), { client_id: 'mine' })).resolves.toBe(true);
    await expect(ask('readOne', certain(own), { client_id: 'other' })).rejects.toMatchObject({ status: 404 });
    await expect(ask('readOne', certain(user([grant()])), { client_id: 'any' })).resolves.toBe(true);
    const provisional = buildIdentity(own, { fence: FENCE, confirm: async () => certain(own) });
    await expect(ask('readOne', provisional, { client_id: 'theirs' })).rejects.toMatchObject({ status: 404 });
    expect(asked).toEqual(['mine', 'other', 'theirs']);
  });

  it('refuses an object of which nobody can tell the owner, and passes on that it cannot be told now', async () => {
    const owners = new ResourceOwners();
    const own = certain(user([grant({ conditions: { own_only: true } })]));
    await expect(guardOf(owners).ask('rule', own, { id: 'x' })).rejects.toMatchObject({
      status: 404,
      message: 'There is no ip rule with this id.',
    });
    owners.register('clients', () => Promise.reject(new Error('away')));
    await expect(guardOf(owners).ask('readOne', own, { client_id: 'x' })).rejects.toThrow('away');
  });

  it('lets a list be asked for by whoever reaches anything, if it is one of what is reached', async () => {
    const { ask } = guardOf();
    for (const reaching of [
      grant({ scope: { type: 'client', id: 'a' } }),
      grant({ conditions: { own_only: true } }),
      grant(),
    ])
      await expect(ask('list', certain(user([reaching])))).resolves.toBe(true);
    await expect(ask('list', certain(user([])))).rejects.toMatchObject({ status: 403 });
    await expect(ask('listAll', certain(user([grant({ scope: { type: 'client', id: 'a' } })])))).rejects.toMatchObject({
      status: 403,
    });
    await expect(ask('list', certain(user([grant()], ['logs:read'])))).rejects.toMatchObject({ status: 403 });
    const owner = { userId: 'usr_me', grants: [grant({ scope: { type: 'client' as const, id: 'a' } })] };
    await expect(ask('list', certain(buildClient({ scopes: ['clients:read'], owner })))).resolves.toBe(true);
    await expect(ask('list', certain(BYOT))).rejects.toMatchObject({ status: 403 });
  });

  it("opens one's own things to users, and to keys and tokens made for them", async () => {
    const { ask } = guardOf();
    const owner = { userId: 'usr_me', grants: [] };
    await expect(ask('mine', certain(user([])))).resolves.toBe(true);
    await expect(ask('mine', certain(user([], ['sessions:read'])))).resolves.toBe(true);
    await expect(ask('mine', certain(user([], ['logs:read'])))).rejects.toMatchObject({ status: 403 });
    await expect(ask('mine', certain(buildClient({ scopes: ['sessions:read'], owner })))).resolves.toBe(true);
    await expect(ask('mine', certain(buildClient({ scopes: ['logs:read'], owner })))).rejects.toThrow(
      'this client does not hold',
    );
    await expect(ask('mine', certain(buildClient({ scopes: ['admin'] })))).rejects.toMatchObject({
      code: 'user_required',
    });
    await expect(ask('inherits', certain(user([])))).resolves.toBe(true);
  });

  it("takes a handler's mark before its controller's, and two of one handler for none", async () => {
    const { ask } = guardOf();
    await expect(ask('asksElse', certain(user([])))).rejects.toThrow('"clients:read"');
    await expect(ask('both', certain(user([grant()])))).rejects.toThrow('open to nobody');
  });

  it('says whose fault it is that a key holds less than its scopes', async () => {
    const { ask } = guardOf();
    const key = buildClient({ scopes: ['clients:read'], owner: { userId: 'usr_o', grants: [] } });
    await expect(ask('readOne', certain(key))).rejects.toThrow("which this client's owner does not hold");
  });
});
