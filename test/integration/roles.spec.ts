import { RoleGraphs } from '../../src/identity/access/roles/role-graphs.service.js';
import { ChangeFeed } from '../../src/platform/replicas/change-feed.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { buildUser } from '../support/people.js';
import { ask, signedIn } from '../support/signed-in.js';

const ROUNDS = 100;
const LONG_MS = 90_000;
const OWNER = 'rol_000000000000000owner';

let core: TestApp;
let other: TestApp;
let admin: string;

beforeAll(async () => {
  core = await startApp();
  other = await core.replica();
  admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(async () => {
  await other.stop();
  await core.stop();
});

const on = (app: TestApp, method: string, path: string, body?: unknown, key = admin) =>
  ask(app.url, key, method, `/api/v1/${path}`, body);
let last = 0;
async function makeRole(fields: object = {}) {
  return (await on(core, 'POST', 'roles', { name: `role-${++last}`, ...fields })).body;
}

describe('two edits at once', () => {
  it(
    `never make a cycle together, in ${ROUNDS} rounds over two replicas`,
    async () => {
      const [a, b] = [await makeRole(), await makeRole()];
      const outcomes = new Set<string>();
      for (let round = 0; round < ROUNDS; round++) {
        const answers = await Promise.all([
          on(core, 'PATCH', `roles/${a.id}`, { parents: [b.id] }),
          on(other, 'PATCH', `roles/${b.id}`, { parents: [a.id] }),
        ]);
        const statuses = answers.map(({ status }) => status).sort();
        expect(statuses).toEqual([200, 409]);
        expect(answers.find(({ status }) => status === 409)?.body.code).toBe('role_cycle');
        outcomes.add(answers[0].status === 200 ? 'first' : 'second');
        const [{ count } = { count: 0 }] = await core.database.query<{ count: number }>(
          'SELECT count(*)::int AS count FROM role_parents WHERE role_id = ANY ($1)',
          [[a.id, b.id]],
        );
        expect(count).toBe(1);
        await core.database.query('DELETE FROM role_parents WHERE role_id = ANY ($1)', [[a.id, b.id]]);
      }
    },
    LONG_MS,
  );

  it('never make a cycle of many, each by an edit of its own', async () => {
    const ring = await Promise.all(Array.from({ length: 8 }, () => makeRole()));
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(
        ring.map(({ id }, index) =>
          on(index % 2 ? core : other, 'PATCH', `roles/${id}`, { parents: [ring[(index + 1) % 8].id] }),
        ),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(1);
      await core.database.query('DELETE FROM role_parents WHERE role_id = ANY ($1)', [ring.map(({ id }) => id)]);
    }
  });

  it('never leave two roles of one name', async () => {
    for (let round = 0; round < 20; round++) {
      const name = `same-${round}`;
      const answers = await Promise.all([core, other, core, other].map((app) => on(app, 'POST', 'roles', { name })));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    }
  });

  it('do not delete a role while it is given', async () => {
    const user = await buildUser(core.database);
    for (let round = 0; round < 30; round++) {
      const role = await makeRole();
      const [removed, given] = await Promise.all([
        on(core, 'DELETE', `roles/${role.id}`),
        on(other, 'POST', `users/${user.id}/grants`, { role_id: role.id }),
      ]);
      expect([
        [204, 400],
        [409, 201],
      ]).toContainEqual([removed.status, given.status]);
    }
  });
});

describe('the last administrator', () => {
  it(
    `is not removed by two at once, in ${ROUNDS} rounds`,
    async () => {
      const [one, two] = [await buildUser(core.database), await buildUser(core.database)];
      const appoint = async (userId: string) =>
        (await on(core, 'POST', `users/${userId}/grants`, { role_id: OWNER })).body.id as string;
      const grants = [await appoint(one.id), await appoint(two.id)];
      for (let round = 0; round < ROUNDS; round++) {
        const answers = await Promise.all([
          on(core, 'DELETE', `users/${one.id}/grants/${grants[0]}`),
          on(other, 'DELETE', `users/${two.id}/grants/${grants[1]}`),
        ]);
        expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
        expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({
          code: 'last_administrator',
          detail: 'This is the last administrator. Make another one first.',
        });
        const gone = answers[0].status === 204 ? 0 : 1;
        grants[gone] = await appoint([one.id, two.id][gone] as string);
      }
    },
    LONG_MS,
  );

  it('is not denied anything, limited, made temporary or narrowed by way of a role', async () => {
    await core.database.query('DELETE FROM grants');
    const role = await makeRole({ permissions: ['admin'] });
    const heir = await makeRole({ parents: [role.id] });
    const user = await buildUser(core.database);
    const { body } = await on(core, 'POST', `users/${user.id}/grants`, { role_id: heir.id });
    const path = `users/${user.id}/grants`;
    const refused = [
      await on(core, 'POST', path, { role_id: 'rol_00000000000000viewer', effect: 'deny' }),
      await on(core, 'PATCH', `${path}/${body.id}`, { conditions: { mfa: true } }),
      await on(core, 'PATCH', `${path}/${body.id}`, { expires_at: '2099-01-01T00:00:00Z' }),
      await on(core, 'PATCH', `roles/${role.id}`, { permissions: ['users:admin'] }),
      await on(core, 'PATCH', `roles/${heir.id}`, { parents: [] }),
      await on(core, 'DELETE', `${path}/${body.id}`),
    ];
    expect(refused.map(({ status, body: { code } }) => [status, code])).toEqual(
      refused.map(() => [409, 'last_administrator']),
    );
    await on(core, 'POST', `users/${(await buildUser(core.database)).id}/grants`, { role_id: OWNER });
    expect((await on(core, 'PATCH', `${path}/${body.id}`, { conditions: { mfa: true } })).status).toBe(200);
  });

  it('is not asked for where there never was one', async () => {
    await core.database.query('DELETE FROM grants');
    const user = await buildUser(core.database, { roles: ['admin'] });
    const { body } = await on(core, 'GET', `users/${user.id}/grants`);
    expect((await on(core, 'DELETE', `users/${user.id}/grants/${body.data[0].id}`)).status).toBe(204);
  });
});

describe('roles in the memory of replicas', () => {
  it('are those of PostgreSQL on each of them when an edit answers', async () => {
    const role = await makeRole();
    for (let round = 0; round < 20; round++) {
      const permissions = round % 2 ? ['logs:read'] : ['metrics:read', 'logs:read'];
      expect((await on(round % 3 ? core : other, 'PATCH', `roles/${role.id}`, { permissions })).status).toBe(200);
      for (const { app } of [core, other])
        expect([...app.get(RoleGraphs, { strict: false }).current.permissionsOf(role.id)].sort()).toEqual(
          permissions.sort(),
        );
    }
  });

  it('are read once for many changes at once', async () => {
    const graphs = core.app.get(RoleGraphs, { strict: false });
    const before = graphs.current;
    const seen = new Set([before]);
    const reads = Array.from({ length: 50 }, () => graphs.load().then(() => seen.add(graphs.current)));
    await Promise.all(reads);
    expect(seen.size).toBeLessThanOrEqual(3);
  });

  it('stay as they were last read while they cannot be read', async () => {
    const user = await signedIn(core, { roles: ['viewer'] });
    const read = async () => (await on(core, 'GET', 'rate-limits', undefined, user.token)).status;
    expect(await read()).toBe(200);
    await core.database.query('ALTER TABLE role_parents RENAME TO away');
    try {
      const graphs = core.app.get(RoleGraphs, { strict: false });
      await expect(graphs.load()).rejects.toThrow();
      expect(await read()).toBe(200);
      await core.database.query(`UPDATE roles SET description = 'changed meanwhile' WHERE name = 'viewer'`);
      const { stats } = core.app.get(ChangeFeed, { strict: false });
      await eventually(() => stats.failures > 0);
      expect(await read()).toBe(200);
    } finally {
      await core.database.query('ALTER TABLE away RENAME TO role_parents');
    }
    await core.database.query(`DELETE FROM role_permissions WHERE permission = 'limits:read'`);
    await eventually(async () => (await read()) === 403);
  });
});
