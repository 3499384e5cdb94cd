import { Client } from 'pg';
import { MAX_OWNED } from '../../src/identity/clients/client-owners.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { insertClient } from '../support/insert-client.js';
import { buildGrant, buildUser } from '../support/people.js';
import { type ApiAnswer, ask, type SignedIn, signedIn } from '../support/signed-in.js';

const KEYS = '/api/v1/api-keys';
const UNKNOWN = 'cn_live_000000000000';

let core: TestApp;

beforeAll(async () => {
  core = await startApp();
}, 60_000);
afterAll(() => core?.stop());

const as =
  (credential: string) =>
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer> =>
    ask(core.url, credential, method, path, body, headers);
const statusOf = async (credential: string, path = '/api/v1/whoami') => (await as(credential)('GET', path)).status;

async function makeKey(credential: string, body: object = {}): Promise<ApiAnswer['body']> {
  const made = await as(credential)('POST', KEYS, { name: 'mine', ...body });
  expect(made).toMatchObject({ status: 201 });
  return made.body;
}

describe('a key of another user', () => {
  let mine: SignedIn;
  let theirs: SignedIn;
  let ownerless: string;

  beforeAll(async () => {
    [mine, theirs] = [await signedIn(core, { roles: ['owner'] }), await signedIn(core, { roles: ['developer'] })];
    ownerless = (await core.createClient()).clientId;
  });

  const ROUTES: [method: string, rest: string, body: object | undefined][] = [
    ['GET', '', undefined],
    ['GET', '/usage', undefined],
    ['PATCH', '', { name: 'taken' }],
    ['DELETE', '', undefined],
    ['POST', '/secrets', { expire_previous_in_seconds: 0 }],
    ['DELETE', '/secrets/SECRET', undefined],
  ];

  it.each(ROUTES)(
    'is as little there for %s %s as one that does not exist, and stays as it was',
    async (method, rest, body) => {
      const foreign = await makeKey(theirs.token);
      const [{ id: secretId }] = foreign.secrets;
      const key = await makeKey(mine.token, { scopes: ['api_keys:admin', 'llm:invoke'] });
      const answerTo = async (credential: string, clientId: string) => {
        const { status, body: problem } = await as(credential)(
          method,
          `${KEYS}/${clientId}${rest.replace('SECRET', secretId)}`,
          body,
        );
        const { request_id, instance, ...rest_ } = problem;
        return { status, ...rest_ };
      };
      for (const credential of [mine.token, key.api_key]) {
        const unknown = await answerTo(credential, UNKNOWN);
        expect(unknown).toMatchObject({ status: 404, code: 'not_found' });
        for (const clientId of [foreign.client_id, ownerless])
          expect(await answerTo(credential, clientId)).toEqual(unknown);
      }
      expect(await as(theirs.token)('GET', `${KEYS}/${foreign.client_id}`)).toMatchObject({
        status: 200,
        body: { name: 'mine', secrets: [{ id: secretId }] },
      });
      expect(await statusOf(foreign.api_key)).toBe(200);
    },
  );

  it('is not told by the time either (medians of 200)', async () => {
    const foreign = await makeKey(theirs.token);
    const times = new Map<string, number[]>([
      [foreign.client_id, []],
      [UNKNOWN, []],
    ]);
    for (let round = 0; round < 200; round++) {
      for (const [clientId, taken] of times) {
        const from = performance.now();
        const { status } = await as(mine.token)('PATCH', `${KEYS}/${clientId}`, { name: 'taken' });
        taken.push(performance.now() - from);
        expect(status).toBe(404);
      }
    }
    const [there, not] = [...times.values()].map((taken) => taken.sort((a, b) => a - b)[100] as number) as [
      number,
      number,
    ];
    expect(Math.abs(there - not)).toBeLessThan(Math.max(1, not * 0.25));
  }, 60_000);
});

describe('a key that makes keys', () => {
  it('gives no more than it holds itself, whatever its owner holds', async () => {
    const owner = await signedIn(core, { roles: ['owner'] });
    const maker = await makeKey(owner.token, { scopes: ['api_keys:write', 'api_keys:delete', 'llm:invoke'] });
    const byMaker = as(maker.api_key);
    for (const scopes of [['clients:read'], ['admin'], ['api_keys:admin'], ['api_keys:write', 'logs:read']])
      expect(await byMaker('POST', KEYS, { name: 'more', scopes })).toMatchObject({
        status: 403,
        body: { code: 'permission_denied' },
      });
    expect(await byMaker('POST', KEYS, { name: 'unending', expires_at: null })).toMatchObject({ status: 400 });
    expect((await byMaker('POST', KEYS, { name: 'same', scopes: ['llm:invoke', 'api_keys:write'] })).status).toBe(201);
  });

  it('gets no secret of a key of its owner that holds more', async () => {
    const owner = await signedIn(core, { roles: ['owner'] });
    const strong = await makeKey(owner.token, { scopes: ['admin'] });
    const maker = await makeKey(owner.token, { scopes: ['api_keys:write', 'llm:invoke'] });
    const byMaker = as(maker.api_key);
    const rotation = { expire_previous_in_seconds: 0 };
    expect((await byMaker('POST', `${KEYS}/${strong.client_id}/secrets`, rotation)).status).toBe(403);
    expect((await byMaker('PATCH', `${KEYS}/${strong.client_id}`, { name: 'renamed' })).status).toBe(403);
    expect(await statusOf(strong.api_key)).toBe(200);
  });

  it('gives no wider lists than its own', async () => {
    const owner = await signedIn(core, { roles: ['developer'] });
    const maker = await makeKey(owner.token, {
      scopes: ['api_keys:write', 'llm:invoke'],
      allowed_addresses: ['127.0.0.0/8', '::1'],
      allowed_models: ['core-nest/*'],
    });
    const byMaker = as(maker.api_key);
    expect((await byMaker('POST', KEYS, { name: 'x', allowed_models: null })).status).toBe(403);
    expect((await byMaker('POST', KEYS, { name: 'x', allowed_addresses: ['0.0.0.0/0'] })).status).toBe(403);
    const made = await byMaker('POST', KEYS, { name: 'x' });
    expect(made.body).toMatchObject({ allowed_models: ['core-nest/*'], owner_id: owner.id });
  });

  it('makes none by what its owner has lost since', async () => {
    const owner = await signedIn(core, { roles: ['developer'] });
    const grant = await buildGrant(core.database, owner.id, { role: 'operator' });
    const maker = await makeKey(owner.token, { scopes: ['api_keys:write', 'clients:read', 'llm:invoke'] });
    const body = { name: 'x', scopes: ['clients:read'] };
    expect((await as(maker.api_key)('POST', KEYS, body)).status).toBe(201);
    await core.database.query('DELETE FROM grants WHERE id = $1', [grant]);
    expect((await as(maker.api_key)('POST', KEYS, body)).status).toBe(403);
    await core.database.query('DELETE FROM grants WHERE user_id = $1', [owner.id]);
    expect((await as(maker.api_key)('POST', KEYS, { name: 'x', scopes: [] })).status).toBe(403);
  });
});

describe('a token made for less', () => {
  it('makes and opens no key that holds more than it', async () => {
    const owner = await signedIn(core, { roles: ['owner'] });
    const strong = await makeKey(owner.token, { scopes: ['admin'] });
    const narrow = await signedIn(core, { roles: ['owner'], scopes: ['api_keys:write', 'llm:invoke'] });
    const own = await insertClient(core.database, { ownerId: narrow.id, scopes: ['admin'] });
    expect((await as(narrow.token)('POST', KEYS, { name: 'x', scopes: ['admin'] })).status).toBe(403);
    expect(
      (await as(narrow.token)('POST', `${KEYS}/${own.clientId}/secrets`, { expire_previous_in_seconds: 0 })).status,
    ).toBe(403);
    expect((await as(narrow.token)('GET', `${KEYS}/${own.clientId}`)).status).toBe(403);
    expect((await as(narrow.token)('GET', `${KEYS}/${strong.client_id}`)).status).toBe(403);
  });
});

describe('an answer given once more', () => {
  const header = { 'idempotency-key': 'replayed' };

  it('is refused when its caller was narrowed in between', async () => {
    const owner = await signedIn(core, { roles: ['developer'] });
    const grant = await buildGrant(core.database, owner.id, { role: 'operator' });
    const body = { name: 'x', scopes: ['clients:read'] };
    const made = await as(owner.token)('POST', KEYS, body, header);
    expect(made.status).toBe(201);
    await core.database.query('DELETE FROM grants WHERE id = $1', [grant]);
    const again = await as(owner.token)('POST', KEYS, body, header);
    expect(again).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    expect(again.text).not.toContain(made.body.client_secret);
  });

  it('is refused when the key belongs to somebody else by now', async () => {
    const [owner, heir] = [await signedIn(core, { roles: ['developer'] }), await buildUser(core.database)];
    const body = { name: 'x', scopes: ['llm:invoke'] };
    const made = await as(owner.token)('POST', KEYS, body, header);
    const rotate = () =>
      as(owner.token)('POST', `${KEYS}/${made.body.client_id}/secrets`, { expire_previous_in_seconds: 60 }, header);
    const rotated = await rotate();
    await core.database.query('UPDATE clients SET owner_id = $1 WHERE client_id = $2', [heir.id, made.body.client_id]);
    for (const again of [await as(owner.token)('POST', KEYS, body, header), await rotate()]) {
      expect(again).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect(again.text).not.toContain(made.body.client_secret);
      expect(again.text).not.toContain(rotated.body.client_secret);
    }
  });
});

describe('the number of keys', () => {
  it(`is ${MAX_OWNED} a user at most, however many ask at once on two replicas`, async () => {
    const other = await core.replica();
    try {
      const owner = await signedIn(core, { roles: ['developer'] });
      for (let made = 0; made < MAX_OWNED - 20; made++) await insertClient(core.database, { ownerId: owner.id });
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          ask(index % 2 === 0 ? core.url : other.url, owner.token, 'POST', KEYS, { name: 'at once' }),
        ),
      );
      const made = answers.filter(({ status }) => status === 201);
      const refused = answers.filter(({ status }) => status === 409);
      expect([made.length, refused.length]).toEqual([20, 180]);
      expect(refused[0]?.body).toMatchObject({
        code: 'too_many_keys',
        detail: `A user has ${MAX_OWNED} keys at most. Revoke one that is no longer used.`,
      });
      const [row] = await core.database.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM clients WHERE owner_id = $1',
        [owner.id],
      );
      expect(row?.count).toBe(MAX_OWNED);
      expect((await as(owner.token)('DELETE', `${KEYS}/${made[0]?.body.client_id}`)).status).toBe(204);
      expect((await as(owner.token)('POST', KEYS, { name: 'another' })).status).toBe(201);
    } finally {
      await other.stop();
    }
  }, 120_000);
});

describe('the class key_creation', () => {
  it('is counted by user, ten an hour by default', async () => {
    const strict = await core.replica({ RATE_LIMITS: 'general.paid=100000/60,key_creation=10/3600' });
    try {
      const [owner, other] = [
        await signedIn(core, { roles: ['developer'] }),
        await signedIn(core, { roles: ['developer'] }),
      ];
      const make = (token: string) => ask(strict.url, token, 'POST', KEYS, { name: 'x' });
      const answers = await Promise.all(Array.from({ length: 15 }, () => make(owner.token)));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(5);
      expect((await make(other.token)).status).toBe(201);
    } finally {
      await strict.stop();
    }
  }, 60_000);
});

describe('whose a client is', () => {
  it('is not assigned by a field of another route', async () => {
    const admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
    const [user, client] = [await buildUser(core.database), await core.createClient()];
    const asked = [
      as(admin)('POST', '/api/v1/clients', { name: 'x', owner_id: user.id }),
      as(admin)('PATCH', `/api/v1/clients/${client.clientId}`, { owner_id: user.id }),
      as(admin)('PATCH', `/api/v1/clients/${client.clientId}`, { name: 'x', ownerId: user.id }),
    ];
    for (const { status, body } of await Promise.all(asked)) {
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.errors[0].location).toMatch(/^body\.owner(?:_id|Id)$/);
    }
    const [row] = await core.database.query('SELECT owner_id FROM clients WHERE client_id = $1', [client.clientId]);
    expect(row).toEqual({ owner_id: null });
  });

  it.each([
    ['suspended', `UPDATE users SET status = 'suspended' WHERE id = $1`],
    ['deleted', 'DELETE FROM users WHERE id = $1'],
  ])('is decided with what becomes of the user: one being %s gets no key any more', async (_what, sql) => {
    const owner = await signedIn(core, { roles: ['developer'] });
    const changing = new Client({ connectionString: core.database.url });
    await changing.connect();
    try {
      await changing.query('BEGIN');
      await changing.query(sql, [owner.id]);
      const made = as(owner.token)('POST', KEYS, { name: 'late' });
      await eventually(async () => {
        const waiting = await core.database.query(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting.length > 0;
      });
      await changing.query('COMMIT');
      expect(await made).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    } finally {
      await changing.end();
    }
    expect(await core.database.query('SELECT 1 FROM clients WHERE owner_id = $1', [owner.id])).toEqual([]);
  });

  it('changes while everything else does, and nobody waits for nobody', async () => {
    const admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
    const users = [await signedIn(core, { roles: ['developer'] }), await signedIn(core, { roles: ['developer'] })];
    const keys = await Promise.all(users.map((user) => makeKey(user.token)));
    const round = (n: number) => {
      const [user, other] = [users[n % 2] as SignedIn, users[(n + 1) % 2] as SignedIn];
      const { client_id: clientId } = keys[n % keys.length];
      return [
        as(admin)('POST', `/api/v1/clients/${clientId}/owner`, { user_id: other.id }),
        as(admin)('PATCH', `/api/v1/clients/${clientId}`, { name: `round ${n}` }),
        as(user.token)('POST', `${KEYS}/${clientId}/secrets`, { expire_previous_in_seconds: 0 }),
        as(user.token)('POST', KEYS, { name: `made in ${n}` }),
        as(admin)('PATCH', `/api/v1/users/${user.id}`, { name: `Round ${n}` }),
        buildGrant(core.database, user.id, { role: 'viewer' }).then(() => ({ status: 200 })),
        core.database
          .query(`DELETE FROM grants WHERE user_id = $1 AND effect = 'deny'`, [other.id])
          .then(() => ({ status: 200 })),
      ];
    };
    const answers: number[] = [];
    for (let n = 0; n < 30; n += 3)
      for (const { status } of await Promise.all([round(n), round(n + 1), round(n + 2)].flat())) answers.push(status);
    expect(answers.filter((status) => ![200, 201, 202, 404, 409].includes(status))).toEqual([]);
    expect(answers.filter((status) => status < 300).length).toBeGreaterThan(80);
  }, 60_000);
});
