import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp } from '../../src/app.setup.js';
import { parseApiKey } from '../../src/identity/clients/api-key.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { insertClient, wrongKeyOf } from '../support/insert-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

const UNKNOWN = 'cn_live_000000000000';
/** Enough for every test here to make clients without meeting its own limit. */
const RATE_LIMITS = 'general=100000/60,key_creation=100000/60,general.gold=100000/60';

let database: TestDatabase;
let redis: TestRedis;
let proxy: TcpProxy;
let app: NestFastifyApplication;
let origin: string;
let adminKey: string;

beforeAll(async () => {
  [database, redis] = await Promise.all([createTestDatabase(), createTestRedis()]);
  proxy = await TcpProxy.start(redis.url);
  app = await createApp(
    buildSettings({ DATABASE_URL: database.url, REDIS_URL: proxy.through(redis.url), RATE_LIMITS }),
  );
  await app.listen(0, '127.0.0.1');
  origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  adminKey = await keyOf(['admin']);
});

afterAll(async () => {
  app?.getHttpServer().closeAllConnections();
  await app?.close();
  await proxy?.stop();
  await Promise.all([database?.drop(), redis?.drop()]);
});

async function keyOf(scopes: readonly string[]): Promise<string> {
  return (await insertClient(database, { scopes })).apiKey;
}

async function call(method: string, path: string, body?: unknown, key: string = adminKey): Promise<Answer> {
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : null };
}

const create = (body: unknown, key?: string) => call('POST', '/api/v1/clients', body, key);
const at = (clientId: string) => `/api/v1/clients/${clientId}`;
const whoami = (key: string) => call('GET', '/api/v1/whoami', undefined, key);
const locations = (answer: Answer) => answer.body.errors.map((error: { location: string }) => error.location);

describe('making a client', () => {
  it('answers 201 with the credential, which works at once', async () => {
    const answer = await create({ name: 'billing' });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toEqual({
      client_id: expect.stringMatching(/^cn_live_[0-9A-Za-z]{12}$/),
      client_secret: expect.stringMatching(/^[0-9A-Za-z]{36}$/),
      api_key: `${answer.body.client_id}_${answer.body.client_secret}`,
      name: 'billing',
      environment: 'live',
      tier: 'paid',
      scopes: ['llm:invoke'],
      status: 'active',
      expires_at: null,
      owner_id: null,
      allowed_addresses: null,
      allowed_models: null,
      allowed_providers: null,
      leak_reported_at: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: answer.body.created_at,
      secrets: [
        {
          id: expect.stringMatching(/^sec_[0-9A-Za-z]{16}$/),
          hint: answer.body.client_secret.slice(-4),
          created_at: answer.body.created_at,
          expires_at: null,
          last_used_at: null,
          last_used_address: null,
          last_used_user_agent: null,
        },
      ],
    });
    expect(parseApiKey(answer.body.api_key)?.clientId).toBe(answer.body.client_id);
    const identity = await whoami(answer.body.api_key);
    expect(identity.body).toMatchObject({ method: 'client', client_id: answer.body.client_id, tier: 'paid' });
  });

  it('takes every field', async () => {
    const answer = await create({
      name: 'Ürün 請求',
      tier: 'gold',
      scopes: ['clients:read', 'logs:read'],
      environment: 'test',
      expires_at: '2099-01-31T12:00:00.5+02:00',
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      client_id: expect.stringMatching(/^cn_test_/),
      name: 'Ürün 請求',
      tier: 'gold',
      scopes: ['clients:read', 'logs:read'],
      environment: 'test',
      expires_at: '2099-01-31T10:00:00.500Z',
    });
  });

  it('keeps the hash of the 30 characters, at the cost that is set, and nothing of the secret', async () => {
    const { body } = await create({ name: 'hashed' });
    const [row] = await database.query<{ hashed_secret: string }>(
      'SELECT hashed_secret FROM client_secrets WHERE client_id = $1',
      [body.client_id],
    );
    expect(row?.hashed_secret).toMatch(/^\$2[ab]\$04\$/);
    const dump = await database.query(`
      SELECT string_agg(query_to_xml(format('SELECT * FROM %I', tablename), true, true, '')::text, '') AS everything
      FROM pg_tables WHERE schemaname = 'public'`);
    const inRedis = await Promise.all((await redis.client.keys('*')).map((key) => redis.client.dump(key)));
    const everything = `${JSON.stringify(dump)} ${inRedis.join(' ')}`;
    expect(everything).toContain(body.client_id);
    expect(everything).not.toContain(body.client_secret.slice(0, 30));
  });

  it.each([
    ['no name', {}, ['body.name']],
    ['an empty name', { name: '' }, ['body.name']],
    ['a name too long', { name: 'a'.repeat(129) }, ['body.name']],
    ['a name with a control character', { name: 'a\u0007' }, ['body.name']],
    ['an unknown tier', { name: 'n', tier: 'platinum' }, ['body.tier']],
    ['an unknown scope', { name: 'n', scopes: ['clients:own'] }, ['body.scopes']],
    ['a scope twice', { name: 'n', scopes: ['llm:invoke', 'llm:invoke'] }, ['body.scopes']],
    ['an unknown environment', { name: 'n', environment: 'prod' }, ['body.environment']],
    ['an end that is past', { name: 'n', expires_at: '2020-01-01T00:00:00Z' }, ['body.expires_at']],
    ['an end that is no time', { name: 'n', expires_at: '2099-02-30T00:00:00Z' }, ['body.expires_at']],
    ['a chosen id', { name: 'n', client_id: UNKNOWN }, ['body.client_id']],
    ['a chosen secret', { name: 'n', client_secret: 'x' }, ['body.client_secret']],
    ['a chosen status', { name: 'n', status: 'active' }, ['body.status']],
    ['a chosen version', { name: 'n', version: '1' }, ['body.version']],
    ['a field of the entity', { name: 'n', createdAt: '2020-01-01T00:00:00Z' }, ['body.createdAt']],
    ['an inherited name', { name: 'n', toString: 'x' }, ['body.toString']],
    ['two wrong fields', { name: '', tier: 1 }, ['body.name', 'body.tier']],
  ])('refuses %s, naming the field', async (_what, body, expected) => {
    const answer = await create(body);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body.code).toBe('invalid_request');
    expect(locations(answer).toSorted()).toEqual(expected);
  });

  it.each([
    ['a polluted prototype', '{"name":"n","__proto__":{"scopes":["admin"]}}'],
    ['a polluted constructor', '{"name":"n","constructor":{"prototype":{"scopes":["admin"]}}}'],
    ['the same name twice', '{"name":"n","name":"m"}'],
    ['no JSON', '{"name":'],
  ])('refuses %s', async (_what, text) => {
    const answer = await create(text);
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe('malformed_body');
    expect(({} as { scopes?: unknown }).scopes).toBeUndefined();
  });

  it.each([['[]'], ['"name"'], ['null'], ['7'], ['']])('refuses a body that is no object: %s', async (text) => {
    const answer = await create(text);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([{ location: 'body', message: expect.any(String) }]);
  });

  it('counts against key_creation', async () => {
    const answer = await create({ name: 'counted' });
    expect(answer.headers.get('ratelimit-policy')).toContain('"key_creation";q=100000;w=60');
  });
});

describe('what a caller may give', () => {
  const writer = ['clients:write', 'clients:delete', 'clients:read', 'llm:invoke'];

  it.each([[['admin']], [['logs:read']], [['llm:invoke', 'admin']]])('never more than it holds: %j', async (scopes) => {
    const key = await keyOf(writer);
    const missing = scopes.find((scope) => !writer.includes(scope));
    for (const answer of [
      await create({ name: 'n', scopes }, key),
      await call('PATCH', at(key.slice(0, 20)), { scopes }, key),
    ]) {
      expect(answer.status).toBe(403);
      expect(answer.body).toMatchObject({
        code: 'permission_denied',
        detail: `You cannot grant the scope "${missing}", which you do not hold yourself.`,
      });
    }
  });

  it('nor touch a client that holds more', async () => {
    const key = await keyOf(writer);
    const target = (await insertClient(database, { scopes: ['admin'] })).clientId;
    for (const answer of [
      await call('PATCH', at(target), { status: 'disabled' }, key),
      await call('PATCH', at(target), { scopes: [] }, key),
      await call('DELETE', at(target), undefined, key),
    ]) {
      expect(answer.status).toBe(403);
      expect(answer.body.code).toBe('permission_denied');
      expect(answer.body.detail).toContain('"admin"');
    }
    expect((await call('GET', at(target))).body).toMatchObject({ status: 'active', scopes: ['admin'] });
  });

  it('what it holds, it can give', async () => {
    const key = await keyOf(writer);
    const made = await create({ name: 'n', scopes: ['clients:write', 'llm:invoke'] }, key);
    expect(made.status).toBe(201);
    expect((await call('DELETE', at(made.body.client_id), undefined, key)).status).toBe(204);
  });

  it.each([
    ['POST', '/api/v1/clients', 'clients:write'],
    ['GET', '/api/v1/clients', 'clients:read'],
    ['GET', at(UNKNOWN), 'clients:read'],
    ['PATCH', at(UNKNOWN), 'clients:write'],
    ['DELETE', at(UNKNOWN), 'clients:delete'],
  ])('%s %s needs %s', async (method, path, permission) => {
    const others = ['clients:read', 'clients:write', 'clients:delete', 'logs:read', 'llm:invoke'];
    const key = await keyOf(others.filter((scope) => scope !== permission));
    const body = method === 'POST' || method === 'PATCH' ? { name: 'n' } : undefined;
    const refused = await call(method, path, body, key);
    expect(refused.status).toBe(403);
    expect(refused.body.detail).toContain(permission);
    expect((await fetch(`${origin}${path}`, { method })).status).toBe(401);
    const byot = await fetch(`${origin}${path}`, { method, headers: { 'x-provider-token': 'sk-any' } });
    expect(byot.status).toBe(403);
  });
});

describe('reading clients', () => {
  beforeAll(() => insertClient(database, { clientId: 'cn_live_ExactBytesOf' }));

  it('shows one, without its hash', async () => {
    const { body: made } = await create({ name: 'shown' });
    const { client_secret, api_key, ...shown } = made;
    const answer = await call('GET', at(made.client_id));
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(shown);
    expect(answer.text).not.toContain(client_secret);
    expect(answer.text).not.toContain('$2');
  });

  it('shows when a secret was last used, and not before it was', async () => {
    const { body: made } = await create({ name: 'used' });
    const lastUse = async () => (await call('GET', at(made.client_id))).body.secrets[0].last_used_at;
    const wrong = wrongKeyOf(made.client_id);
    expect((await whoami(wrong)).status).toBe(401);
    expect(await lastUse()).toBeNull();
    const before = Date.now();
    expect((await whoami(made.api_key)).status).toBe(200);
    await eventually(async () => (await lastUse()) !== null);
    expect(Date.parse(await lastUse())).toBeGreaterThanOrEqual(before);
    expect((await call('GET', at(made.client_id))).body.updated_at).toBe(made.updated_at);
  });

  it.each([
    ['unknown', UNKNOWN],
    ['of another case', 'cn_live_exactBYTESof'],
    ['with a blank', 'cn_live_ExactBytesOf%20'],
    ['malformed', 'cn_live_x'],
    ['with a NUL', 'cn_live_00000000000%00'],
    ['with a slash', 'cn_live_0000000000%2F'],
    ['of other letters', 'cn_live_%C3%BF'],
    ['a name of JavaScript', 'constructor'],
  ])('answers 404 to every method for an id that is %s', async (_what, id) => {
    for (const [method, body] of [['GET'], ['PATCH', { name: 'n' }], ['DELETE']] as const) {
      const answer = await call(method, at(id), body);
      expect([method, answer.status, answer.body.code]).toEqual([method, 404, 'not_found']);
    }
    expect((await call('GET', at('cn_live_ExactBytesOf'))).status).toBe(200);
  });

  it('pages through the list: each client once', async () => {
    const tier = 'free';
    const made: string[] = [];
    for (let n = 0; n < 5; n++) made.push((await insertClient(database, { tier, name: `page ${n}` })).clientId);
    for (const sort of ['created_at', '-created_at', 'name', '-name']) {
      const seen: string[] = [];
      let cursor = '';
      for (let page = 0; page < 10; page++) {
        const { body, status } = await call('GET', `/api/v1/clients?tier=${tier}&limit=2&sort=${sort}${cursor}`);
        expect(status).toBe(200);
        expect(body.data.length).toBeLessThanOrEqual(2);
        seen.push(...body.data.map((client: { client_id: string }) => client.client_id));
        expect(body.has_more).toBe(body.next_cursor !== null);
        if (!body.has_more) break;
        cursor = `&cursor=${encodeURIComponent(body.next_cursor)}`;
      }
      expect(seen).toEqual(sort.startsWith('-') ? made.toReversed() : made);
    }
  });

  it('filters', async () => {
    const { clientId } = await insertClient(database, { name: 'only me', status: 'disabled', environment: 'test' });
    const { body } = await call(
      'GET',
      '/api/v1/clients?name=only%20me&status=disabled&environment=test&created_after=2020-01-01T00:00:00Z',
    );
    expect(body.data.map((client: { client_id: string }) => client.client_id)).toEqual([clientId]);
    expect((await call('GET', '/api/v1/clients?name=only%20me&status=active')).body.data).toEqual([]);
    const none = await call('GET', '/api/v1/clients?created_before=2020-01-01T00:00:00Z');
    expect(none.body).toEqual({ data: [], has_more: false, next_cursor: null });
  });

  it.each([
    ['hashed_secret=x', 'query.hashed_secret'],
    ['version=1', 'query.version'],
    ['__proto__=x', 'query.__proto__'],
    ['constructor=x', 'query.constructor'],
    ['toString=x', 'query.toString'],
    ['name[$ne]=x', 'query.name[$ne]'],
    ['status=paused', 'query.status'],
    ['environment=prod', 'query.environment'],
    ['status=active&status=disabled', 'query.status'],
    ['created_after=yesterday', 'query.created_after'],
    ['sort=version', 'query.sort'],
    ['sort=hashed_secret', 'query.sort'],
    ['sort=constructor', 'query.sort'],
    ['sort=name%3BDROP', 'query.sort'],
    ['limit=0', 'query.limit'],
    ['limit=201', 'query.limit'],
    ['limit=ten', 'query.limit'],
    ['cursor=x', 'query.cursor'],
    ['name=%00', 'query.name'],
  ])('refuses ?%s, naming it', async (query, location) => {
    const answer = await call('GET', `/api/v1/clients?${query}`);
    expect([answer.status, answer.body.code, locations(answer)]).toEqual([400, 'invalid_request', [location]]);
  });

  it('refuses a cursor of another sort', async () => {
    const { body } = await call('GET', '/api/v1/clients?limit=1&sort=name');
    const answer = await call('GET', `/api/v1/clients?sort=created_at&cursor=${encodeURIComponent(body.next_cursor)}`);
    expect([answer.status, locations(answer)]).toEqual([400, ['query.cursor']]);
  });
});

describe('changing a client', () => {
  it('changes what is sent and nothing else, in force at once', async () => {
    const { body: made } = await create({ name: 'before', expires_at: '2099-01-01T00:00:00Z' });
    expect((await whoami(made.api_key)).body).toMatchObject({ tier: 'paid', scopes: ['llm:invoke'] });
    const answer = await call('PATCH', at(made.client_id), { tier: 'free', scopes: ['logs:read'], expires_at: null });
    expect(answer.status).toBe(200);
    const { client_secret, api_key, ...fields } = made;
    const [secret] = made.secrets;
    expect(answer.body).toEqual({
      ...fields,
      secrets: [{ ...secret, last_used_at: answer.body.secrets[0].last_used_at }],
      tier: 'free',
      scopes: ['logs:read'],
      expires_at: null,
      updated_at: expect.any(String),
    });
    expect(answer.body.updated_at >= made.updated_at).toBe(true);
    expect(`${answer.text}`).not.toContain(client_secret);
    expect((await whoami(api_key)).body).toMatchObject({ tier: 'free', scopes: ['logs:read'] });
  });

  it('disables at once, and enables again', async () => {
    const { body: made } = await create({ name: 'switched' });
    expect((await whoami(made.api_key)).status).toBe(200);
    await call('PATCH', at(made.client_id), { status: 'disabled' });
    const refused = await whoami(made.api_key);
    expect([refused.status, refused.body.code]).toEqual([401, 'invalid_api_key']);
    await call('PATCH', at(made.client_id), { status: 'active' });
    expect((await whoami(made.api_key)).status).toBe(200);
  });

  it.each([
    ['nothing', {}, ['body']],
    ['a field that never changes', { environment: 'test' }, ['body.environment']],
    ['its id', { client_id: UNKNOWN }, ['body.client_id']],
    ['its secrets', { secrets: [] }, ['body.secrets']],
    ['its hash', { hashed_secret: 'x' }, ['body.hashed_secret']],
    [
      'null where a value must be',
      { name: null, tier: null, scopes: null, status: null },
      ['body.name', 'body.scopes', 'body.status', 'body.tier'],
    ],
    ['an unknown status', { status: 'revoked' }, ['body.status']],
    ['an unknown tier', { tier: 'platinum' }, ['body.tier']],
    ['an end that is past', { expires_at: '2020-01-01T00:00:00Z' }, ['body.expires_at']],
  ])('refuses %s, naming the field', async (_what, body, expected) => {
    const { clientId } = await insertClient(database);
    const answer = await call('PATCH', at(clientId), body);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(locations(answer).toSorted()).toEqual(expected);
  });
});

describe('revoking a client', () => {
  it('answers 204 with nothing, and the key is refused from then on', async () => {
    const { body: made } = await create({ name: 'gone' });
    expect((await whoami(made.api_key)).status).toBe(200);
    const answer = await call('DELETE', at(made.client_id));
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await whoami(made.api_key)).body.code).toBe('invalid_api_key');
    expect((await call('GET', at(made.client_id))).status).toBe(404);
    expect((await call('DELETE', at(made.client_id))).status).toBe(404);
    expect(await database.query('SELECT * FROM credential_fences WHERE client_id = $1', [made.client_id])).toEqual([]);
  });

  it('ends a client that revokes itself', async () => {
    const key = await keyOf(['clients:delete']);
    expect((await call('DELETE', at(key.slice(0, 20)), undefined, key)).status).toBe(204);
    expect((await whoami(key)).status).toBe(401);
  });

  it('answers 204 while Redis cannot be told, and tells it later by itself', async () => {
    const { body: made } = await create({ name: 'pending' });
    expect((await whoami(made.api_key)).status).toBe(200);
    await proxy.refuse();
    try {
      const answer = await call('DELETE', at(made.client_id));
      expect(answer.status).toBe(204);
      expect((await whoami(made.api_key)).status).toBe(401);
      const waiting = await database.query('SELECT * FROM credential_fences WHERE client_id = $1', [made.client_id]);
      expect(waiting).toHaveLength(1);
    } finally {
      await proxy.heal();
    }
    await eventually(async () => {
      const rows = await database.query('SELECT 1 FROM credential_fences WHERE client_id = $1', [made.client_id]);
      return rows.length === 0;
    }, 15_000);
    const keys = await redis.client.keys(`*${made.client_id}*`);
    expect(keys.filter((key) => key.endsWith(':fence'))).toHaveLength(1);
    expect(keys.filter((key) => key.endsWith(':credential'))).toEqual([]);
    expect((await whoami(made.api_key)).status).toBe(401);
  });
});

describe('without PostgreSQL', () => {
  it('answers 503 and changes nothing', async () => {
    const far = await TcpProxy.start(database.url);
    const other = await createApp(buildSettings({ DATABASE_URL: far.through(database.url), RATE_LIMITS }));
    try {
      await other.listen(0, '127.0.0.1');
      const { port } = other.getHttpServer().address() as AddressInfo;
      const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
      const post = () =>
        fetch(`http://127.0.0.1:${port}/api/v1/clients`, { method: 'POST', headers, body: '{"name":"n"}' });
      expect((await post()).status).toBe(201);
      await far.refuse();
      const answer = await post();
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).not.toBeNull();
      expect(await answer.json()).toMatchObject({ code: 'service_unavailable' });
    } finally {
      other.getHttpServer().closeAllConnections();
      await far.heal();
      await other.close();
      await far.stop();
    }
  });
});
