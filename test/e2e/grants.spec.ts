import type { GrantConditions } from '../../src/kernel/grant.js';
import { startApp, type TestApp } from '../support/app.js';
import { accessTokenOf, buildGrant, buildSession, buildUser } from '../support/people.js';
import { ask, signedIn } from '../support/signed-in.js';

const idOf = (role: string) => `rol_${role.padStart(20, '0')}`;
const NOBODY = `usr_${'0'.repeat(20)}`;

let core: TestApp;
let admin: string;

beforeAll(async () => {
  core = await startApp({ settings: { TRUSTED_PROXIES: '127.0.0.1' } });
  admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(() => core.stop());

const call = (method: string, path: string, body?: unknown, key = admin, headers = {}) =>
  ask(core.url, key, method, `/api/v1/${path}`, body, headers);

describe('a grant', () => {
  it('is given, shown, listed, changed and taken, and each is recorded', async () => {
    const user = await buildUser(core.database);
    const given = await call('POST', `users/${user.id}/grants`, {
      role_id: idOf('viewer'),
      scope: { type: 'resource', resource: 'ip_rules', id: 'ipr_1' },
      conditions: { mfa: true, cidr: ['192.0.2.0/24'] },
      expires_at: '2099-01-01T00:00:00Z',
      reason: 'on call',
    });
    expect(given).toMatchObject({
      status: 201,
      body: {
        user_id: user.id,
        role: 'viewer',
        effect: 'allow',
        scope: { type: 'resource', resource: 'ip_rules', id: 'ipr_1' },
        conditions: { mfa: true, cidr: ['192.0.2.0/24'] },
        expires_at: '2099-01-01T00:00:00.000Z',
        reason: 'on call',
        granted_by: expect.stringMatching(/^cn_live_/),
      },
    });
    const path = `users/${user.id}/grants/${given.body.id}`;
    expect((await call('GET', path)).body).toEqual(given.body);
    for (const filter of [
      'effect=allow',
      `role_id=${idOf('viewer')}`,
      'scope=resource',
      'expires_before=2100-01-01T00:00:00Z',
    ])
      expect((await call('GET', `users/${user.id}/grants?${filter}`)).body.data).toEqual([given.body]);
    expect((await call('GET', `users/${user.id}/grants?effect=deny`)).body.data).toEqual([]);

    const changed = await call('PATCH', path, { conditions: null, expires_at: null, reason: '' });
    expect(changed).toMatchObject({ status: 200, body: { conditions: null, expires_at: null, reason: '' } });
    expect((await call('DELETE', path)).status).toBe(204);
    expect((await call('GET', path)).status).toBe(404);

    const rows = await core.database.query<{ action: string; details: Record<string, unknown> }>(
      `SELECT action, details FROM audit_logs WHERE subject_type = 'grant' AND subject_id = $1 ORDER BY id`,
      [given.body.id],
    );
    expect(rows.map(({ action }) => action)).toEqual(['grant.create', 'grant.update', 'grant.revoke']);
    expect(rows[1]?.details).toMatchObject({ user_id: user.id, conditions: null, previous_reason: 'on call' });
  });

  it.each<[object, string]>([
    [{}, 'body.role_id'],
    [{ role_id: 'viewer' }, 'body.role_id'],
    [{ role_id: idOf('x') }, 'body.role_id'],
    [{ role_id: idOf('viewer'), effect: 'maybe' }, 'body.effect'],
    [{ role_id: idOf('viewer'), scope: 'all' }, 'body.scope'],
    [{ role_id: idOf('viewer'), scope: null }, 'body.scope'],
    [{ role_id: idOf('viewer'), scope: { type: 'some' } }, 'body.scope.type'],
    [{ role_id: idOf('viewer'), scope: { type: 'all', id: 'x' } }, 'body.scope.id'],
    [{ role_id: idOf('viewer'), scope: { type: 'client' } }, 'body.scope.id'],
    [{ role_id: idOf('viewer'), scope: { type: 'client', id: 'a b' } }, 'body.scope.id'],
    [{ role_id: idOf('viewer'), scope: { type: 'resource', id: 'x' } }, 'body.scope.resource'],
    [{ role_id: idOf('viewer'), scope: { type: 'resource', resource: 'moons', id: 'x' } }, 'body.scope.resource'],
    [
      { role_id: idOf('viewer'), scope: { type: 'client', id: 'x' }, conditions: { own_only: true } },
      'body.conditions.own_only',
    ],
    [{ role_id: idOf('viewer'), conditions: { colour: 'red' } }, 'body.conditions.colour'],
    [
      { role_id: idOf('viewer'), conditions: { hours: { zone: 'UTC', from: '1', to: '2' } } },
      'body.conditions.hours.from',
    ],
    [{ role_id: idOf('viewer'), expires_at: '2001-01-01T00:00:00Z' }, 'body.expires_at'],
    [{ role_id: idOf('viewer'), expires_at: 'tomorrow' }, 'body.expires_at'],
    [{ role_id: idOf('viewer'), reason: 7 }, 'body.reason'],
    [{ role_id: idOf('viewer'), user_id: NOBODY }, 'body.user_id'],
  ])('of %j is refused, and %s named', async (body, location) => {
    const user = await buildUser(core.database);
    const answer = await call('POST', `users/${user.id}/grants`, body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body.errors[0].location).toBe(location);
  });

  it('is not changed to nothing, nor to an end that is past', async () => {
    const user = await buildUser(core.database);
    const id = await buildGrant(core.database, user.id, { role: 'viewer' });
    const path = `users/${user.id}/grants/${id}`;
    for (const [body, location] of [
      [{}, 'body'],
      [{ effect: 'deny' }, 'body.effect'],
      [{ expires_at: '2001-01-01T00:00:00Z' }, 'body.expires_at'],
      [{ conditions: { mfa: 1 } }, 'body.conditions.mfa'],
    ] as const)
      expect(await call('PATCH', path, body)).toMatchObject({ status: 400, body: { errors: [{ location }] } });
  });

  it('is nobody’s where there is no such user, and no other user’s', async () => {
    const [one, other] = [await buildUser(core.database), await buildUser(core.database)];
    const id = await buildGrant(core.database, one.id, { role: 'viewer' });
    for (const unknown of [NOBODY, 'x', 'a%00b']) {
      expect(await call('GET', `users/${unknown}/grants`)).toMatchObject({
        status: 404,
        body: { detail: 'There is no user with this id.' },
      });
      expect((await call('POST', `users/${unknown}/grants`, { role_id: idOf('viewer') })).status).toBe(404);
    }
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const body = method === 'PATCH' ? { reason: 'x' } : undefined;
      expect(await call(method, `users/${other.id}/grants/${id}`, body)).toMatchObject({
        status: 404,
        body: { detail: 'There is no grant with this id.' },
      });
    }
  });

  it('is one too many after ten thousand, and with conditions after two hundred', async () => {
    const user = await buildUser(core.database);
    await core.database.query(
      `INSERT INTO grants (id, user_id, role_id, effect, scope_type, conditions)
       SELECT 'grt_' || lpad(n::text, 20, '0'), $1, $2, 'allow', 'all', '{"mfa":true}' FROM generate_series(1, 200) AS n`,
      [user.id, idOf('viewer')],
    );
    const give = (body: object) => call('POST', `users/${user.id}/grants`, { role_id: idOf('viewer'), ...body });
    expect((await give({ conditions: { mfa: true } })).body.detail).toContain('200 grants with conditions');
    expect((await give({})).status).toBe(201);
    await core.database.query(
      `INSERT INTO grants (id, user_id, role_id, effect, scope_type)
       SELECT 'grt_' || lpad(n::text, 20, '0'), $1, $2, 'allow', 'all' FROM generate_series(1001, 10799) AS n`,
      [user.id, idOf('viewer')],
    );
    expect(await give({})).toMatchObject({ status: 409, body: { detail: expect.stringContaining('10000 grants') } });
    const change = (n: number, body: object) =>
      call('PATCH', `users/${user.id}/grants/grt_${String(n).padStart(20, '0')}`, body);
    expect((await change(1001, { reason: 'kept' })).status).toBe(200);
    expect((await change(1, { conditions: { cidr: ['192.0.2.0/24'] } })).status).toBe(200);
    expect((await change(1001, { conditions: { mfa: true } })).body.detail).toContain('200 grants with conditions');
  });
});

describe('what is given is in force with the next request', () => {
  it('allowed, denied, and allowed again, without signing in anew', async () => {
    const user = await signedIn(core);
    const read = async () => (await call('GET', 'rate-limits', undefined, user.token)).status;
    expect(await read()).toBe(403);
    await call('POST', `users/${user.id}/grants`, { role_id: idOf('viewer') });
    expect(await read()).toBe(200);
    const { body } = await call('POST', `users/${user.id}/grants`, { role_id: idOf('operator'), effect: 'deny' });
    expect(await read()).toBe(403);
    await call('DELETE', `users/${user.id}/grants/${body.id}`);
    expect(await read()).toBe(200);
  });

  it('on every replica', async () => {
    const other = await core.replica();
    try {
      const user = await signedIn(core, { roles: ['viewer'] });
      const readThere = async () => (await ask(other.url, user.token, 'GET', '/api/v1/rate-limits')).status;
      for (let round = 0; round < 20; round++) {
        expect(await readThere()).toBe(200);
        const { body } = await call('POST', `users/${user.id}/grants`, { role_id: idOf('owner'), effect: 'deny' });
        expect(await readThere()).toBe(403);
        await call('DELETE', `users/${user.id}/grants/${body.id}`);
      }
    } finally {
      await other.stop();
    }
  });

  it('names what is missing', async () => {
    const user = await signedIn(core, { roles: ['viewer'] });
    expect((await call('POST', 'ip-rules', {}, user.token)).body).toMatchObject({
      code: 'permission_denied',
      detail: 'This route needs the permission "ip_rules:write", which you do not hold.',
    });
  });

  it('as far as the token is good for', async () => {
    const user = await signedIn(core, { roles: ['viewer'], scopes: ['logs:read'] });
    expect((await call('GET', 'api-logs', undefined, user.token)).status).toBe(200);
    expect((await call('GET', 'rate-limits', undefined, user.token)).status).toBe(403);
  });

  it('until it ends', async () => {
    const user = await signedIn(core);
    const id = await buildGrant(core.database, user.id, {
      role: 'viewer',
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    expect((await call('GET', 'rate-limits', undefined, user.token)).status).toBe(200);
    await core.database.query(`UPDATE grants SET expires_at = now() WHERE id = $1`, [id]);
    let status = 200;
    for (let round = 0; round < 500 && status === 200; round++)
      ({ status } = await call('GET', 'rate-limits', undefined, user.token));
    expect(status).toBe(403);
  });
});

describe('under conditions', () => {
  const GERMAN = '5.1.66.255';
  async function statusUnder(conditions: GrantConditions, from = '203.0.113.9', session: object = {}) {
    const user = await buildUser(core.database);
    await buildGrant(core.database, user.id, { role: 'viewer', conditions });
    const token = await accessTokenOf(core, await buildSession(core.database, user.id, session));
    return (await call('GET', 'rate-limits', undefined, token, { 'x-forwarded-for': from })).status;
  }

  it('of the address', async () => {
    expect(await statusUnder({ cidr: ['203.0.113.0/24'] })).toBe(200);
    expect(await statusUnder({ cidr: ['203.0.113.0/24'] }, '198.51.100.1')).toBe(403);
  });

  it('of the country, and of none that is not known', async () => {
    expect(await statusUnder({ countries: ['DE'] }, GERMAN)).toBe(200);
    expect(await statusUnder({ countries: ['FR'] }, GERMAN)).toBe(403);
    expect(await statusUnder({ countries: ['DE', 'FR'] }, '127.0.0.1')).toBe(403);
  });

  it('of the sign-in', async () => {
    expect(await statusUnder({ methods: ['password'], max_auth_age_seconds: 60 })).toBe(200);
    expect(await statusUnder({ methods: ['session'] })).toBe(403);
    const anHourAgo = { authenticatedAt: new Date(Date.now() - 3_600_000) };
    expect(await statusUnder({ max_auth_age_seconds: 60 }, undefined, anHourAgo)).toBe(403);
    expect(await statusUnder({ mfa: true })).toBe(403);
    expect(await statusUnder({ mfa: true }, undefined, { mfa: true })).toBe(200);
  });

  it('of the hour', async () => {
    const now = new Date();
    const today = ((now.getUTCDay() + 6) % 7) + 1;
    expect(await statusUnder({ hours: { zone: 'UTC', from: '00:00', to: '24:00' } })).toBe(200);
    const others = [1, 2, 3, 4, 5, 6, 7].filter((day) => day !== today && day !== (today % 7) + 1);
    expect(await statusUnder({ hours: { zone: 'UTC', days: others, from: '00:00', to: '24:00' } })).toBe(403);
  });
});

describe('for one object', () => {
  it('opens that one alone: others are as if they did not exist', async () => {
    const [mine, other] = [await core.createClient({ name: 'mine' }), await core.createClient()];
    const user = await signedIn(core);
    await buildGrant(core.database, user.id, { role: 'operator', scope: { type: 'client', id: mine.clientId } });
    const get = (id: string) => call('GET', `clients/${id}`, undefined, user.token);
    expect((await get(mine.clientId)).status).toBe(200);
    const [foreign, unknown] = [await get(other.clientId), await get('cn_live_000000000000')];
    for (const answer of [foreign, unknown]) {
      expect(answer.status).toBe(404);
      expect({ ...answer.body, request_id: '', instance: '' }).toEqual({
        ...unknown.body,
        request_id: '',
        instance: '',
      });
    }
    const nowhere = await call('GET', 'clients/cn_live_000000000000');
    expect(nowhere.body.detail).toBe(foreign.body.detail);
    expect((await call('PATCH', `clients/${other.clientId}`, { name: 'x' }, user.token)).status).toBe(404);
    expect((await call('DELETE', `clients/${other.clientId}`, undefined, user.token)).status).toBe(404);
    expect((await call('POST', `clients/${other.clientId}/secrets`, {}, user.token)).status).toBe(404);
  });

  it('opens what lies below it, and no list but of it', async () => {
    const client = await core.createClient();
    await core.createClient();
    const user = await signedIn(core);
    await buildGrant(core.database, user.id, { role: 'operator', scope: { type: 'client', id: client.clientId } });
    const limits = `rate-limits/overrides/clients/${client.clientId}/general`;
    expect((await call('PUT', limits, { windows: [{ quota: 5, window_seconds: 60 }] }, user.token)).status).toBe(200);
    expect((await call('POST', 'clients', { name: 'x' }, user.token)).status).toBe(403);
    expect((await call('GET', 'rate-limits', undefined, user.token)).status).toBe(403);
    const { body } = await call('GET', 'clients', undefined, user.token);
    expect(body.data.map(({ client_id }: { client_id: string }) => client_id)).toEqual([client.clientId]);
  });

  it('is denied while everything else is allowed', async () => {
    const [hidden, shown] = [await core.createClient({ name: 'h' }), await core.createClient()];
    const user = await signedIn(core, { roles: ['viewer'] });
    await buildGrant(core.database, user.id, {
      role: 'owner',
      effect: 'deny',
      scope: { type: 'client', id: hidden.clientId },
    });
    expect((await call('GET', `clients/${shown.clientId}`, undefined, user.token)).status).toBe(200);
    expect((await call('GET', `clients/${hidden.clientId}`, undefined, user.token)).status).toBe(404);
    const { body } = await call('GET', 'clients?limit=200', undefined, user.token);
    const ids = body.data.map(({ client_id }: { client_id: string }) => client_id);
    expect(ids).toContain(shown.clientId);
    expect(ids).not.toContain(hidden.clientId);
  });

  it('of one’s own, another’s is as if it did not exist', async () => {
    const [user, other] = [await signedIn(core), await signedIn(core)];
    await buildGrant(core.database, user.id, { role: 'viewer', conditions: { own_only: true } });
    const owned = async (ownerId: string) => {
      const { clientId } = await core.createClient();
      await core.database.query('UPDATE clients SET owner_id = $2 WHERE client_id = $1', [clientId, ownerId]);
      return clientId;
    };
    const [mine, theirs] = [await owned(user.id), await owned(other.id)];
    expect((await call('GET', `clients/${mine}`, undefined, user.token)).status).toBe(200);
    expect((await call('GET', `clients/${theirs}`, undefined, user.token)).status).toBe(404);
    expect((await call('GET', `users/${user.id}`, undefined, user.token)).status).toBe(200);
    expect((await call('GET', `users/${other.id}`, undefined, user.token)).status).toBe(404);
    const { body } = await call('GET', 'clients', undefined, user.token);
    expect(body.data.map(({ client_id }: { client_id: string }) => client_id)).toEqual([mine]);
    const people = await call('GET', 'users', undefined, user.token);
    expect(people.body.data.map(({ user_id }: { user_id: string }) => user_id)).toEqual([user.id]);
    expect((await call('GET', 'rate-limits', undefined, user.token)).status).toBe(403);
  });
});
