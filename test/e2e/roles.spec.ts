import { startApp, type TestApp } from '../support/app.js';
import { buildGrant, buildUser } from '../support/people.js';
import { ask, signedIn } from '../support/signed-in.js';

const VIEWER = 'rol_00000000000000viewer';
const OWNER = 'rol_000000000000000owner';
const NOWHERE = 'rol_00000000000000000000';

let core: TestApp;
let admin: string;

beforeAll(async () => {
  core = await startApp();
  admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(() => core.stop());

const call = (method: string, path: string, body?: unknown, key = admin) =>
  ask(core.url, key, method, `/api/v1/${path}`, body);
let last = 0;
const nameOfRole = () => `role-${++last}`;

async function makeRole(fields: object = {}) {
  const { status, body } = await call('POST', 'roles', { name: nameOfRole(), ...fields });
  expect([status, body]).toEqual([201, expect.objectContaining({ builtin: false })]);
  return body;
}

describe('the roles everybody starts with', () => {
  it('are there in every installation under the same ids', async () => {
    const { body } = await call('GET', 'roles?builtin=true');
    expect(body.data.map(({ id, name }: { id: string; name: string }) => [id, name])).toEqual(
      ['admin', 'auditor', 'billing', 'developer', 'operator', 'owner', 'viewer'].map((name) => [
        `rol_${name.padStart(20, '0')}`,
        name,
      ]),
    );
  });

  it.each(['PATCH', 'DELETE'])('are not changed by %s', async (method) => {
    const answer = await call(method, `roles/${VIEWER}`, method === 'PATCH' ? { permissions: ['admin'] } : undefined);
    expect(answer).toMatchObject({
      status: 409,
      body: {
        code: 'conflict',
        detail: '"viewer" is one of the roles everybody starts with. Make one that inherits from it.',
      },
    });
  });
});

describe('a role', () => {
  it('is made, shown, listed, changed and deleted, and each is recorded', async () => {
    const made = await makeRole({
      description: 'first line',
      permissions: ['logs:read', 'clients:read'],
      parents: [VIEWER],
    });
    expect(made).toMatchObject({
      permissions: ['clients:read', 'logs:read'],
      parents: [VIEWER],
      description: 'first line',
    });
    expect(made.effective_permissions).toContain('limits:read');
    expect((await call('GET', `roles/${made.id}`)).body).toEqual(made);
    for (const filter of [`name=${made.name}`, `parent_id=${VIEWER}`, 'permission=clients:read', 'builtin=false'])
      expect((await call('GET', `roles?limit=200&sort=-created_at&${filter}`)).body.data).toContainEqual(made);

    const changed = await call('PATCH', `roles/${made.id}`, { permissions: ['logs:read'], parents: [] });
    expect(changed).toMatchObject({ status: 200, body: { effective_permissions: ['logs:read'], name: made.name } });
    expect((await call('PATCH', `roles/${made.id}`, { name: nameOfRole(), description: '' })).status).toBe(200);
    expect((await call('DELETE', `roles/${made.id}`)).status).toBe(204);
    expect((await call('GET', `roles/${made.id}`)).status).toBe(404);

    const rows = await core.database.query<{ action: string }>(
      `SELECT action FROM audit_logs WHERE subject_type = 'role' AND subject_id = $1 ORDER BY id`,
      [made.id],
    );
    expect(rows.map(({ action }) => action)).toEqual(['role.create', 'role.update', 'role.update', 'role.delete']);
  });

  it('pages by name', async () => {
    const first = await call('GET', 'roles?limit=3');
    const second = await call('GET', `roles?limit=3&cursor=${first.body.next_cursor}`);
    expect(first.body.data.map(({ name }: { name: string }) => name)).toEqual(['admin', 'auditor', 'billing']);
    expect(second.body.data[0].name).toBe('developer');
    const back = await call('GET', `roles?limit=3&sort=-created_at`);
    expect(
      (await call('GET', `roles?limit=3&sort=-created_at&cursor=${back.body.next_cursor}`)).body.data,
    ).toHaveLength(3);
  });

  it.each([
    ['POST', 'roles', { name: 'Ünicode' }, 'body.name'],
    ['POST', 'roles', { name: '=cmd' }, 'body.name'],
    ['POST', 'roles', { name: 'a'.repeat(65) }, 'body.name'],
    ['POST', 'roles', {}, 'body.name'],
    ['POST', 'roles', { name: 'x', description: 'a\u0007b' }, 'body.description'],
    ['POST', 'roles', { name: 'x', description: 'x'.repeat(501) }, 'body.description'],
    ['POST', 'roles', { name: 'x', permissions: 'admin' }, 'body.permissions'],
    ['POST', 'roles', { name: 'x', permissions: ['clients:*'] }, 'body.permissions'],
    ['POST', 'roles', { name: 'x', permissions: ['clients:fly'] }, 'body.permissions'],
    ['POST', 'roles', { name: 'x', permissions: ['clients:read', 'clients:read'] }, 'body.permissions'],
    ['POST', 'roles', { name: 'x', parents: [NOWHERE] }, 'body.parents'],
    ['POST', 'roles', { name: 'x', parents: ['viewer'] }, 'body.parents'],
    ['POST', 'roles', { name: 'x', builtin: true }, 'body.builtin'],
    ['POST', 'roles', { name: 'x', id: OWNER }, 'body.id'],
    ['GET', 'roles?colour=red', undefined, 'query.colour'],
    ['GET', 'roles?builtin=maybe', undefined, 'query.builtin'],
  ])('%s %s with %j is refused, and %s named', async (method, path, body, location) => {
    const answer = await call(method, path, body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ location }] } });
  });

  it('is not changed to nothing, or where there is none', async () => {
    const { id } = await makeRole();
    expect((await call('PATCH', `roles/${id}`, {})).body).toMatchObject({
      status: 400,
      errors: [{ location: 'body' }],
    });
    for (const unknown of [NOWHERE, 'rol_x', 'a%00b'])
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await call(method, `roles/${unknown}`, method === 'PATCH' ? { name: 'x' } : undefined);
        expect(answer).toMatchObject({ status: 404, body: { detail: 'There is no role with this id.' } });
      }
  });

  it('has a name of its own', async () => {
    const { name } = await makeRole();
    const other = await makeRole();
    expect(await call('POST', 'roles', { name })).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await call('PATCH', `roles/${other.id}`, { name })).status).toBe(409);
  });

  it('does not inherit from itself by any way', async () => {
    const a = await makeRole();
    const b = await makeRole({ parents: [a.id] });
    const c = await makeRole({ parents: [b.id] });
    expect(await call('PATCH', `roles/${a.id}`, { parents: [c.id] })).toMatchObject({
      status: 409,
      body: {
        code: 'role_cycle',
        detail: `The role "${a.name}" cannot inherit from "${c.name}", which inherits from it.`,
      },
    });
    expect((await call('PATCH', `roles/${a.id}`, { parents: [a.id] })).status).toBe(409);
  });

  it('is not deleted while it is in use, and the answer says by how many', async () => {
    const parent = await makeRole();
    await makeRole({ parents: [parent.id] });
    await makeRole({ parents: [parent.id] });
    expect((await call('DELETE', `roles/${parent.id}`)).body.detail).toBe(
      '2 roles inherit from it. Take it from their parents first.',
    );
    const role = await makeRole({ permissions: ['logs:read'] });
    const user = await buildUser(core.database);
    await buildGrant(core.database, user.id, { role: role.name });
    expect(await call('DELETE', `roles/${role.id}`)).toMatchObject({
      status: 409,
      body: { detail: 'It is in 1 grant. Remove them first.' },
    });
  });
});

describe('a change of a role', () => {
  it('is in force with the next request of everybody who has it or inherits from it', async () => {
    const base = await makeRole();
    const heir = await makeRole({ parents: [base.id] });
    const user = await signedIn(core, { roles: [heir.name] });
    const list = () => call('GET', 'rate-limits', undefined, user.token);
    expect((await list()).status).toBe(403);
    expect((await call('PATCH', `roles/${base.id}`, { permissions: ['limits:read'] })).status).toBe(200);
    expect((await list()).status).toBe(200);
    expect((await call('PATCH', `roles/${heir.id}`, { parents: [] })).status).toBe(200);
    expect(await list()).toMatchObject({ status: 403, body: { detail: expect.stringContaining('"limits:read"') } });
  });

  it('by SQL is heard as well', async () => {
    const role = await makeRole();
    const user = await signedIn(core, { roles: [role.name] });
    await core.database.query(`INSERT INTO role_permissions VALUES ($1, 'limits:read')`, [role.id]);
    let status = 0;
    for (let round = 0; round < 200 && status !== 200; round++)
      ({ status } = await call('GET', 'rate-limits', undefined, user.token));
    expect(status).toBe(200);
  });
});

describe('permissions', () => {
  const made = 'reports:publish';

  it('that are built in are listed, and are as they are', async () => {
    const { body } = await call('GET', 'permissions?custom=false&limit=200');
    expect(body.data.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['clients:read', 'llm:invoke']),
    );
    for (const { description } of body.data) expect(description).not.toBe('');
    expect((await call('GET', 'permissions?resource=clients')).body.data).toHaveLength(4);
    expect((await call('GET', 'permissions/clients:read')).body).toMatchObject({
      resource: 'clients',
      action: 'read',
      custom: false,
    });
    for (const method of ['PATCH', 'DELETE'])
      expect(
        (await call(method, 'permissions/clients:read', method === 'PATCH' ? { description: 'x' } : undefined)).status,
      ).toBe(409);
  });

  it('are made, described, held, explained, and deleted when no role holds them', async () => {
    expect(await call('POST', 'permissions', { name: made, description: 'to the press' })).toMatchObject({
      status: 201,
      body: { name: made, resource: 'reports', action: 'publish', custom: true },
    });
    expect((await call('POST', 'permissions', { name: made })).status).toBe(409);
    expect((await call('PATCH', `permissions/${made}`, { description: 'to everybody' })).body.description).toBe(
      'to everybody',
    );
    expect((await call('GET', `permissions/${made}`)).body.description).toBe('to everybody');

    const role = await makeRole({ permissions: [made] });
    const user = await buildUser(core.database, { roles: [role.name] });
    const asked = { principal: { type: 'user', id: user.id }, permission: made };
    expect((await call('POST', 'access/explain', asked)).body).toMatchObject({ decision: 'allow', reason: 'granted' });
    expect((await call('GET', `access/who-can?permission=${made}&type=user`)).body.data).toMatchObject([
      { id: user.id },
    ]);

    expect((await call('DELETE', `permissions/${made}`)).body.detail).toBe('1 role holds it. Take it from them first.');
    await makeRole({ permissions: [made] });
    expect((await call('DELETE', `permissions/${made}`)).body.detail).toBe('2 roles hold it. Take it from them first.');
    await core.database.query('DELETE FROM role_permissions WHERE permission = $1', [made]);
    expect((await call('DELETE', `permissions/${made}`)).status).toBe(204);
    expect((await call('GET', `permissions/${made}`)).status).toBe(404);
    expect((await call('POST', 'access/explain', asked)).status).toBe(400);
    const rows = await core.database.query<{ action: string }>(
      `SELECT action FROM audit_logs WHERE subject_type = 'permission' ORDER BY id`,
    );
    expect(rows.map(({ action }) => action)).toEqual(['permission.create', 'permission.update', 'permission.delete']);
  });

  it('of resources that are built in are not made, and none is a scope of a key', async () => {
    expect((await call('POST', 'permissions', { name: 'clients:fly' })).body.errors[0].location).toBe('body.name');
    for (const name of ['reports', 'Reports:read', 'reports:', 'a:b:c', 'admin', 'r\u0000:x', 7])
      expect((await call('POST', 'permissions', { name })).status).toBe(400);
    await call('POST', 'permissions', { name: 'films:watch' });
    const key = await call('POST', 'clients', { name: 'x', scopes: ['films:watch'] });
    expect(key).toMatchObject({ status: 400, body: { errors: [{ location: 'body.scopes' }] } });
  });

  it('that nobody made are not found', async () => {
    for (const name of ['nothing:read', 'x', 'a%00b'])
      for (const method of ['GET', 'PATCH', 'DELETE'])
        expect(
          (await call(method, `permissions/${name}`, method === 'PATCH' ? { description: '' } : undefined)).status,
        ).toBe(404);
  });

  it('page by name, upwards and downwards', async () => {
    const up = await call('GET', 'permissions?limit=2');
    expect(up.body.data).toMatchObject([{ name: 'access:read' }, { name: 'api_keys:admin' }]);
    const next = await call('GET', `permissions?limit=1&cursor=${up.body.next_cursor}`);
    expect(next.body.data).toMatchObject([{ name: 'api_keys:delete' }]);
    const down = await call('GET', 'permissions?limit=1&sort=-name');
    const after = await call('GET', `permissions?limit=1&sort=-name&cursor=${down.body.next_cursor}`);
    expect([down.body.data[0].name, after.body.data[0].name]).toEqual(['users:write', 'users:read']);
  });
});

describe('there is an end to', () => {
  it('permissions that are made', async () => {
    await core.database.query(
      `INSERT INTO custom_permissions (name) SELECT 'many:n' || n FROM generate_series(1, 1000) AS n ON CONFLICT DO NOTHING`,
    );
    expect(await call('POST', 'permissions', { name: 'one:more' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('1000 permissions') },
    });
  });

  it('roles', async () => {
    await core.database.query(
      `INSERT INTO roles (id, name) SELECT 'rol_' || lpad('n' || n, 20, '0'), 'many-' || n FROM generate_series(1, 5000) AS n`,
    );
    expect(await call('POST', 'roles', { name: 'one-more' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('5000 roles') },
    });
  });
});
