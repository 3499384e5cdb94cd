import { MAX_OWNED } from '../../src/identity/clients/client-owners.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { type InsertedClient, insertClient } from '../support/insert-client.js';
import { buildGrant, buildUser } from '../support/people.js';
import { type ApiAnswer, ask, type SignedIn, signedIn } from '../support/signed-in.js';

const CLIENTS = '/api/v1/clients';
const HOUR_MS = 3_600_000;

let core: TestApp;
let admin: InsertedClient;

beforeAll(async () => {
  core = await startApp();
  admin = await core.createClient({ scopes: ['admin'] });
}, 60_000);
afterAll(() => core?.stop());

const as =
  (credential: string) =>
  (method: string, path: string, body?: unknown): Promise<ApiAnswer> =>
    ask(core.url, credential, method, path, body);
const byAdmin = (method: string, path: string, body?: unknown) => as(admin.apiKey)(method, path, body);
const handOver = (clientId: string, userId: unknown, credential = admin.apiKey) =>
  as(credential)('POST', `${CLIENTS}/${clientId}/owner`, { user_id: userId });
const statusOf = async (credential: string, path: string) => (await as(credential)('GET', path)).status;

describe('handing over', () => {
  it('gives a client an owner, and with them what they hold; and takes it from them again', async () => {
    const user = await buildUser(core.database, { roles: ['developer'] });
    const client = await core.createClient({ scopes: ['clients:read', 'llm:invoke'] });
    expect(await statusOf(client.apiKey, CLIENTS)).toBe(200);
    const given = await handOver(client.clientId, user.id);
    expect(given).toMatchObject({ status: 200, body: { client_id: client.clientId, owner_id: user.id } });
    expect(await statusOf(client.apiKey, CLIENTS)).toBe(403);
    expect(await statusOf(client.apiKey, '/v1/models')).toBe(200);
    expect((await as(client.apiKey)('GET', `${CLIENTS}/${client.clientId}`)).status).toBe(403);
    expect(await handOver(client.clientId, null)).toMatchObject({ status: 200, body: { owner_id: null } });
    expect(await statusOf(client.apiKey, CLIENTS)).toBe(200);
    const rows = await core.database.query<{ action: string; actor_id: string; details: object }>(
      'SELECT action, actor_id, details FROM audit_logs WHERE subject_id = $1 ORDER BY id',
      [client.clientId],
    );
    expect(rows).toEqual([
      {
        action: 'client.hand_over',
        actor_id: admin.clientId,
        details: { owner_id: user.id, previous_owner_id: null },
      },
      {
        action: 'client.hand_over',
        actor_id: admin.clientId,
        details: { owner_id: null, previous_owner_id: user.id },
      },
    ]);
  });

  it('moves a key from one user’s list to the other’s', async () => {
    const [from, to] = [await signedIn(core, { roles: ['developer'] }), await signedIn(core, { roles: ['developer'] })];
    const made = await as(from.token)('POST', '/api/v1/api-keys', { name: 'moved' });
    expect((await handOver(made.body.client_id, to.id)).status).toBe(200);
    const path = `/api/v1/api-keys/${made.body.client_id}`;
    expect([await statusOf(from.token, path), await statusOf(to.token, path)]).toEqual([404, 200]);
  });

  it.each([
    ['an unknown user', 'usr_00000000000000000000'],
    ['what is no id', 'nobody'],
    ['a number', 7],
    ['nothing', undefined],
  ])('refuses %s', async (_what, userId) => {
    const client = await core.createClient();
    const refused = await handOver(client.clientId, userId);
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(refused.body.errors).toEqual([
      { location: 'body.user_id', message: 'must be the id of an active user, or null' },
    ]);
  });

  it.each(['invited', 'suspended'] as const)('refuses a user who is %s', async (status) => {
    const [client, user] = [await core.createClient(), await buildUser(core.database, { status })];
    expect((await handOver(client.clientId, user.id)).status).toBe(400);
    expect((await byAdmin('GET', `${CLIENTS}/${client.clientId}`)).body.owner_id).toBeNull();
  });

  it('knows no client that there is not', async () => {
    for (const clientId of ['cn_live_000000000000', 'nothing'])
      expect(await handOver(clientId, null)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('is for those who hold all that the client holds', async () => {
    const writer = await core.createClient({ scopes: ['clients:write', 'llm:invoke'] });
    const strong = await core.createClient({ scopes: ['logs:read'] });
    const refused = await handOver(strong.clientId, null, writer.apiKey);
    expect(refused).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    expect(refused.body.detail).toBe(
      'You cannot hand over a client with the scope "logs:read", which you do not hold yourself.',
    );
    const reader = await core.createClient({ scopes: ['clients:read'] });
    expect((await handOver(strong.clientId, null, reader.apiKey)).status).toBe(403);
  });

  it('to another user takes api_keys:admin: who has a key of theirs acts for them. To oneself it does not', async () => {
    const [operator, victim] = [
      await signedIn(core, { roles: ['operator'] }),
      await signedIn(core, { roles: ['owner'] }),
    ];
    const client = await core.createClient();
    const refused = await handOver(client.clientId, victim.id, operator.token);
    expect(refused.status).toBe(403);
    expect(refused.body.detail).toBe('You may take a client over; giving it to another user takes "api_keys:admin".');
    expect(await handOver(client.clientId, operator.id, operator.token)).toMatchObject({
      status: 200,
      body: { owner_id: operator.id },
    });
    const manager = await signedIn(core, { roles: ['admin'] });
    expect((await handOver(client.clientId, victim.id, manager.token)).status).toBe(200);
  });

  it(`stops at ${MAX_OWNED} keys a user, however many come at once; one they have already is no more`, async () => {
    const user = await buildUser(core.database, { roles: ['developer'] });
    for (let made = 0; made < MAX_OWNED - 3; made++) await insertClient(core.database, { ownerId: user.id });
    const clients = await Promise.all(Array.from({ length: 12 }, () => core.createClient()));
    const answers = await Promise.all(clients.map(({ clientId }) => handOver(clientId, user.id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(3).fill(200), ...Array(9).fill(409)]);
    const given = answers.find(({ status }) => status === 200);
    expect((await handOver(given?.body.client_id, user.id)).status).toBe(200);
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe('too_many_keys');
  }, 30_000);
});

describe('a user whose grant is for one client', () => {
  let scoped: SignedIn;
  let mine: InsertedClient;
  let other: InsertedClient;

  beforeAll(async () => {
    scoped = await signedIn(core);
    [mine, other] = [await core.createClient({ scopes: [] }), await core.createClient({ scopes: [] })];
    const scope = { type: 'client', id: mine.clientId } as const;
    await buildGrant(core.database, scoped.id, { role: 'operator', scope });
  });

  it('sees that one in the list, and no other', async () => {
    const listed = await as(scoped.token)('GET', CLIENTS);
    expect(listed.status).toBe(200);
    expect(listed.body.data.map((each: { client_id: string }) => each.client_id)).toEqual([mine.clientId]);
  });

  it.each([
    ['GET', '', undefined],
    ['GET', '/usage', undefined],
    ['PATCH', '', { name: 'renamed' }],
    ['POST', '/secrets', { expire_previous_in_seconds: 60 }],
    ['POST', '/owner', { user_id: null }],
    ['DELETE', '/secrets/sec_0000000000000000', undefined],
    ['DELETE', '', undefined],
  ])(
    '%s %s: may on that one, and any other is as little there as one that does not exist',
    async (method, rest, body) => {
      const by = as(scoped.token);
      const answers = [];
      for (const clientId of [other.clientId, 'cn_live_000000000000']) {
        const { status, body: problem } = await by(method, `${CLIENTS}/${clientId}${rest}`, body);
        answers.push({ status, code: problem.code, detail: problem.detail });
      }
      expect(answers[0]).toEqual({ status: 404, code: 'not_found', detail: 'There is no client with this id.' });
      expect(answers[1]).toEqual(answers[0]);
      const own = await by(method, `${CLIENTS}/${mine.clientId}${rest}`, body);
      expect(own.status).toBeLessThan(rest.startsWith('/secrets/') ? 405 : 300);
      expect(own.status).not.toBe(403);
    },
  );

  it('makes none', async () => {
    expect((await as(scoped.token)('POST', CLIENTS, { name: 'x', scopes: [] })).status).toBe(403);
  });
});

it('a user whose grant is for their own objects lists and opens their own clients alone', async () => {
  const user = await signedIn(core);
  await buildGrant(core.database, user.id, { role: 'operator', conditions: { own_only: true } });
  const own = await insertClient(core.database, { ownerId: user.id, scopes: [] });
  const other = await core.createClient({ scopes: [] });
  const by = as(user.token);
  const listed = await by('GET', CLIENTS);
  expect(listed.body.data.map((each: { client_id: string }) => each.client_id)).toEqual([own.clientId]);
  expect((await by('PATCH', `${CLIENTS}/${own.clientId}`, { name: 'renamed' })).status).toBe(200);
  expect((await by('PATCH', `${CLIENTS}/${other.clientId}`, { name: 'renamed' })).status).toBe(404);
  expect((await by('GET', `${CLIENTS}/nothing`)).status).toBe(404);
});

it('a deny on one client takes it out of the list and away', async () => {
  const user = await signedIn(core, { roles: ['operator'] });
  const hidden = await core.createClient({ name: 'hidden', scopes: [] });
  await buildGrant(core.database, user.id, {
    role: 'viewer',
    effect: 'deny',
    scope: { type: 'client', id: hidden.clientId },
  });
  const by = as(user.token);
  expect((await by('GET', `${CLIENTS}?name=hidden`)).body.data).toEqual([]);
  expect((await by('GET', `${CLIENTS}/${hidden.clientId}`)).status).toBe(404);
  expect((await by('GET', CLIENTS)).body.data.length).toBeGreaterThan(0);
});

describe('usage by day', () => {
  let client: InsertedClient;
  let owner: SignedIn;

  beforeAll(async () => {
    owner = await signedIn(core, { roles: ['developer'] });
    client = await insertClient(core.database, { ownerId: owner.id });
    const other = await core.createClient();
    const row = (hour: string, clientId: string, requests: number) =>
      core.database.query(`INSERT INTO api_log_rollups VALUES ($1, $2, $3, 1, 2, 3, 4, 100, 10, 0, 0, 0, 0)`, [
        hour,
        clientId,
        requests,
      ]);
    await row('2026-01-30T23:00:00Z', client.clientId, 10);
    await row('2026-01-31T00:00:00Z', client.clientId, 20);
    await row('2026-01-31T23:00:00Z', client.clientId, 30);
    await row('2026-02-02T00:00:00Z', client.clientId, 40);
    await row('2026-01-31T00:00:00Z', other.clientId, 999);
    await row(new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS).toISOString(), client.clientId, 5);
  });

  const usage = (query: string, credential = owner.token) =>
    as(credential)('GET', `/api/v1/api-keys/${client.clientId}/usage?${query}`);
  const day = (name: string, requests: number, hours = 1) => ({
    day: name,
    requests,
    errors: 6 * hours,
    input_tokens: 100 * hours,
    output_tokens: 10 * hours,
  });

  it('adds up the hours of each day from the first to the last', async () => {
    const answer = await usage('from=2026-01-31&to=2026-02-01');
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.body).toEqual({
      client_id: client.clientId,
      from: '2026-01-31',
      to: '2026-02-01',
      data: [day('2026-01-31', 50, 2)],
    });
    expect((await usage('from=2026-01-30&to=2026-02-02')).body.data).toEqual([
      day('2026-01-30', 10),
      day('2026-01-31', 50, 2),
      day('2026-02-02', 40),
    ]);
  });

  it('is of the last thirty days by default', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const { body } = await usage('');
    expect(body).toMatchObject({ to: today, data: [day(today, 5)] });
    expect(Date.parse(body.to) - Date.parse(body.from)).toBe(29 * 24 * HOUR_MS);
  });

  it('is the same to those who may read clients', async () => {
    const path = `${CLIENTS}/${client.clientId}/usage?from=2026-01-31&to=2026-01-31`;
    expect((await byAdmin('GET', path)).body.data).toEqual([day('2026-01-31', 50, 2)]);
    expect((await byAdmin('GET', `${CLIENTS}/cn_live_000000000000/usage`)).status).toBe(404);
  });

  it.each([
    ['from=yesterday', 'query.from', 'must be a day, e.g. 2026-01-31'],
    ['to=2026-02-30', 'query.to', 'must be a day, e.g. 2026-01-31'],
    ['from=2026-02-02&to=2026-02-01', 'query.from', 'must not be after `to`'],
    ['from=2024-01-01&to=2026-01-01', 'query.from', 'must be at most 366 days before `to`'],
    ['from=2026-01-01&from=2026-01-02', 'query.from', 'must be a day, e.g. 2026-01-31'],
    ['until=2026-01-01', 'query.until', 'is not a parameter of this route'],
  ])('refuses %s', async (query, location, message) => {
    const refused = await usage(query);
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ location, message }] } });
  });

  it('of another user’s key is 404', async () => {
    const stranger = await signedIn(core, { roles: ['developer'] });
    expect((await usage('', stranger.token)).status).toBe(404);
  });
});
