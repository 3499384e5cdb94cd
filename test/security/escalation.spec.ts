import { RoleGraphs } from '../../src/identity/access/roles/role-graphs.service.js';
import { newId } from '../../src/kernel/ids.js';
import { startApp, type TestApp } from '../support/app.js';
import { buildGrant, buildUser } from '../support/people.js';
import { ask, type SignedIn, signedIn } from '../support/signed-in.js';

const idOf = (role: string) => `rol_${role.padStart(20, '0')}`;
/** What lets somebody manage roles and grants, and nothing else of worth. */
const MANAGING = ['roles:admin', 'grants:read', 'grants:write', 'logs:read', 'access:read'];

let core: TestApp;
let admin: string;
/** Holds `MANAGING` everywhere, outright. */
let manager: SignedIn;

beforeAll(async () => {
  core = await startApp();
  admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
  await buildRole('managing', MANAGING);
  manager = await signedIn(core, { roles: ['managing'] });
});
afterAll(() => core.stop());

let last = 0;
/** A role as the database would have it, made by somebody who may. */
async function buildRole(
  name: string,
  permissions: readonly string[],
  parents: readonly string[] = [],
): Promise<string> {
  const { body } = await ask(core.url, admin, 'POST', '/api/v1/roles', { name, permissions, parents });
  return body.id;
}
const freshName = () => `fresh-${++last}`;
const as = (who: { token: string } | string, method: string, path: string, body?: unknown, app = core) =>
  ask(app.url, typeof who === 'string' ? who : who.token, method, `/api/v1/${path}`, body);

function expectRefused(answer: { status: number; body: { code: string; detail: string } }, permission: string) {
  expect([answer.status, answer.body.code]).toEqual([403, 'permission_denied']);
  expect(answer.body.detail).toContain(`"${permission}"`);
}

describe('nobody makes or raises a role above their own', () => {
  it('by naming what they lack', async () => {
    for (const permission of ['admin', 'users:read', 'clients:admin'])
      expectRefused(await as(manager, 'POST', 'roles', { name: freshName(), permissions: [permission] }), permission);
    expect(
      (await as(manager, 'POST', 'roles', { name: freshName(), permissions: ['roles:write', 'logs:read'] })).status,
    ).toBe(201);
  });

  it('by inheriting it, from however far', async () => {
    const far = await buildRole(freshName(), [], [idOf('owner')]);
    expectRefused(await as(manager, 'POST', 'roles', { name: freshName(), parents: [far] }), 'admin');
    const { body } = await as(manager, 'POST', 'roles', { name: freshName(), permissions: ['logs:read'] });
    expectRefused(await as(manager, 'PATCH', `roles/${body.id}`, { parents: [far] }), 'admin');
    expectRefused(
      await as(manager, 'PATCH', `roles/${body.id}`, { permissions: ['logs:read', 'audit:read'] }),
      'audit:read',
    );
  });

  it('by changing or deleting one that holds more, or from which one that holds more inherits', async () => {
    const above = await buildRole(freshName(), ['logs:read', 'users:read']);
    expectRefused(await as(manager, 'PATCH', `roles/${above}`, { description: 'mine now' }), 'users:read');
    expectRefused(await as(manager, 'PATCH', `roles/${above}`, { permissions: [] }), 'users:read');
    expectRefused(await as(manager, 'DELETE', `roles/${above}`), 'users:read');
    const base = await buildRole(freshName(), ['logs:read']);
    await buildRole(freshName(), ['users:read'], [base]);
    expectRefused(await as(manager, 'PATCH', `roles/${base}`, { permissions: [] }), 'users:read');
  });

  it('with a token or key made for less', async () => {
    const narrow = await signedIn(core, { roles: ['owner'], scopes: ['roles:write', 'grants:write'] });
    expectRefused(await as(narrow, 'POST', 'roles', { name: freshName(), permissions: ['logs:read'] }), 'logs:read');
    expectRefused(await as(narrow, 'POST', `users/${manager.id}/grants`, { role_id: idOf('owner') }), 'admin');
    const key = await core.createClient({ scopes: ['roles:write', 'grants:write'] });
    expectRefused(await as(key.apiKey, 'POST', 'roles', { name: freshName(), permissions: ['admin'] }), 'admin');
    expectRefused(
      await as(key.apiKey, 'POST', `users/${manager.id}/grants`, { role_id: idOf('viewer') }),
      'clients:read',
    );
    const owned = await core.createClient({ scopes: ['admin'] });
    await core.database.query('UPDATE clients SET owner_id = $2 WHERE client_id = $1', [owned.clientId, manager.id]);
    expectRefused(await as(owned.apiKey, 'POST', 'roles', { name: freshName(), permissions: ['admin'] }), 'admin');
    expect((await as(owned.apiKey, 'POST', 'roles', { name: freshName(), permissions: ['logs:read'] })).status).toBe(
      201,
    );
  });

  it('with a key that is bound to addresses, but to those addresses', async () => {
    const { apiKey } = await core.createClient({ scopes: ['admin'], allowedAddresses: ['127.0.0.0/8'] });
    const user = await buildUser(core.database);
    const give = (conditions: object | null) =>
      as(apiKey, 'POST', `users/${user.id}/grants`, { role_id: idOf('viewer'), conditions });
    expectRefused(await give(null), 'clients:read');
    expectRefused(await give({ cidr: ['0.0.0.0/0'] }), 'clients:read');
    expect((await give({ cidr: ['127.0.0.1'] })).status).toBe(201);
  });
});

describe('nobody gives what they lack', () => {
  it('to others or to themselves', async () => {
    const other = await buildUser(core.database);
    for (const user of [other, manager])
      expectRefused(await as(manager, 'POST', `users/${user.id}/grants`, { role_id: idOf('owner') }), 'admin');
    expect((await as(manager, 'POST', `users/${other.id}/grants`, { role_id: idOf('billing') })).status).toBe(403);
  });

  it('for longer, further or more freely than they hold it', async () => {
    const temporary = await signedIn(core);
    const end = new Date(Date.now() + 3_600_000);
    await buildGrant(core.database, temporary.id, { role: 'owner', expiresAt: end });
    const give = (body: object) =>
      as(temporary, 'POST', `users/${temporary.id}/grants`, { role_id: idOf('owner'), ...body });
    expectRefused(await give({}), 'admin');
    expectRefused(await give({ expires_at: new Date(end.getTime() + 1_000).toISOString() }), 'admin');
    expect((await give({ expires_at: end.toISOString() })).status).toBe(201);

    const atTheOffice = await signedIn(core);
    const grant = await buildGrant(core.database, atTheOffice.id, {
      role: 'owner',
      conditions: { cidr: ['127.0.0.0/8', '::1'] },
    });
    const path = `users/${atTheOffice.id}/grants`;
    expectRefused(await as(atTheOffice, 'POST', path, { role_id: idOf('owner') }), 'admin');
    expectRefused(await as(atTheOffice, 'PATCH', `${path}/${grant}`, { conditions: null }), 'admin');
    expect(
      (await as(atTheOffice, 'POST', path, { role_id: idOf('owner'), conditions: { cidr: ['127.0.0.1'] } })).status,
    ).toBe(201);
  });

  it('for good by way of a role they have already', async () => {
    const name = freshName();
    const role = await buildRole(name, ['logs:read']);
    const temporary = await signedIn(core, { roles: [name] });
    await buildGrant(core.database, temporary.id, { role: 'owner', expiresAt: new Date(Date.now() + 3_600_000) });
    expectRefused(
      await as(temporary, 'PATCH', `roles/${role}`, { permissions: ['logs:read', 'users:admin'] }),
      'users:admin',
    );
    expect((await as(temporary, 'POST', 'roles', { name: freshName(), permissions: ['users:admin'] })).status).toBe(
      201,
    );
  });

  it('by ending what is denied to them', async () => {
    const denied = await signedIn(core, { roles: ['managing'] });
    const denial = await buildGrant(core.database, denied.id, { role: 'billing', effect: 'deny' });
    const path = `users/${denied.id}/grants/${denial}`;
    expect((await as(denied, 'GET', 'api-logs')).status).toBe(403);
    expect((await as(denied, 'DELETE', path)).status).toBe(403);
    expect((await as(denied, 'PATCH', path, { expires_at: new Date(Date.now() + 60_000).toISOString() })).status).toBe(
      403,
    );
    expectRefused(await as(denied, 'POST', 'roles', { name: freshName(), permissions: ['logs:read'] }), 'logs:read');
  });

  it('by taking out of a role what it denies to them elsewhere or at other times', async () => {
    const name = freshName();
    const role = await buildRole(name, ['clients:read']);
    const between = freshName();
    const heir = await buildRole(between, [], [role]);
    const { clientId } = await core.createClient();
    const now = new Date().getUTCHours();
    const hours = {
      zone: 'UTC',
      from: `${String((now + 12) % 24).padStart(2, '0')}:00`,
      to: `${String((now + 13) % 24).padStart(2, '0')}:00`,
    };
    for (const deny of [{ scope: { type: 'client', id: clientId } as const }, { conditions: { hours } }]) {
      const denied = await signedIn(core, { roles: ['owner'] });
      await buildGrant(core.database, denied.id, { role: between, effect: 'deny', ...deny });
      expectRefused(await as(denied, 'PATCH', `roles/${role}`, { permissions: [] }), 'clients:read');
      expectRefused(await as(denied, 'PATCH', `roles/${heir}`, { parents: [] }), 'clients:read');
    }
    const owner = await signedIn(core, { roles: ['owner'] });
    expect((await as(owner, 'PATCH', `roles/${role}`, { permissions: [] })).status).toBe(200);
  });

  it('on a replica that has not heard what was added to the role', async () => {
    const deaf = await core.replica();
    try {
      const role = await buildRole(freshName(), ['logs:read']);
      jest.spyOn(deaf.app.get(RoleGraphs, { strict: false }), 'load').mockReturnValue(new Promise(() => undefined));
      const raised = await as(admin, 'PATCH', `roles/${role}`, { permissions: ['admin'] });
      expect(raised).toMatchObject({ status: 202, body: { propagation: 'pending', replicas_pending: 1 } });
      expectRefused(await as(manager, 'POST', `users/${manager.id}/grants`, { role_id: role }, deaf), 'admin');
    } finally {
      await deaf.stop();
    }
  });
});

describe('nobody takes from who holds more', () => {
  it('by denying, ending or limiting', async () => {
    const owner = await buildUser(core.database, { roles: ['owner'] });
    const viewer = await buildGrant(core.database, owner.id, { role: 'viewer' });
    const path = `users/${owner.id}/grants`;
    expectRefused(await as(manager, 'POST', path, { role_id: idOf('developer'), effect: 'deny' }), 'admin');
    expectRefused(await as(manager, 'POST', path, { role_id: idOf('owner'), effect: 'deny' }), 'admin');
    expectRefused(await as(manager, 'DELETE', `${path}/${viewer}`), 'admin');
    expectRefused(await as(manager, 'PATCH', `${path}/${viewer}`, { conditions: { mfa: true } }), 'admin');
  });

  it('though they may of who does not, and of themselves', async () => {
    const peer = await buildUser(core.database, { roles: ['managing'] });
    const denied = await as(manager, 'POST', `users/${peer.id}/grants`, { role_id: idOf('developer'), effect: 'deny' });
    expect(denied.status).toBe(201);
    const own = await buildGrant(core.database, manager.id, { role: 'managing', scope: { type: 'client', id: 'x' } });
    expect((await as(manager, 'DELETE', `users/${manager.id}/grants/${own}`)).status).toBe(204);
  });
});

describe('an object that is out of reach', () => {
  const METHODS: [string, string, unknown][] = [
    ['GET', '', undefined],
    ['POST', '', { role_id: idOf('billing') }],
    ['GET', '/grt', undefined],
    ['PATCH', '/grt', { reason: 'x' }],
    ['DELETE', '/grt', undefined],
  ];

  it.each(METHODS)('is as one that does not exist: %s users/:user_id/grants%s', async (method, rest, body) => {
    const [one, other] = [await buildUser(core.database), await buildUser(core.database)];
    const grant = await buildGrant(core.database, other.id, { role: 'managing' });
    const caller = await signedIn(core);
    await buildGrant(core.database, caller.id, {
      role: 'managing',
      scope: { type: 'resource', resource: 'users', id: one.id },
    });
    const path = (userId: string) => `users/${userId}/grants${rest.replace('grt', grant)}`;
    const [foreign, unknown] = [
      await as(caller, method, path(other.id), body),
      await as(caller, method, path(newId('usr')), body),
    ];
    const told = ({ status, body: { request_id: _id, instance: _instance, ...more } }: typeof foreign) => ({
      status,
      ...more,
    });
    expect(told(foreign)).toEqual(told(unknown));
    expect(foreign).toMatchObject({ status: 404, body: { detail: 'There is no user with this id.' } });
    expect(await core.database.query('SELECT FROM grants WHERE id = $1', [grant])).toHaveLength(1);
    expect((await as(caller, 'GET', `users/${one.id}/grants`)).status).toBe(200);
  });

  it('is 403 to who may not anywhere, whoever the other user is', async () => {
    const [caller, other] = [await signedIn(core), await buildUser(core.database)];
    for (const [method, rest, body] of METHODS)
      for (const userId of [caller.id, other.id, newId('usr')])
        expect((await as(caller, method, `users/${userId}/grants${rest}`, body)).status).toBe(403);
  });
});

describe('mass assignment', () => {
  it.each([
    'id',
    'user_id',
    'granted_by',
    'created_at',
    '__proto__',
    'constructor',
    'builtin',
    'effective_permissions',
  ])('of %s is refused', async (field) => {
    const extra = `"${field}":"usr_x"`;
    const post = async (path: string, json: string) => {
      const response = await fetch(`${core.url}/api/v1/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
        body: json,
      });
      return response.status;
    };
    expect(await post(`users/${manager.id}/grants`, `{"role_id":"${idOf('viewer')}",${extra}}`)).toBe(400);
    expect(await post('roles', `{"name":"${freshName()}",${extra}}`)).toBe(400);
    expect(await post('permissions', `{"name":"mass:read",${extra}}`)).toBe(400);
  });
});
