import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type InsertedClient, wrongKeyOf } from '../support/insert-client.js';
import { RawConnection } from '../support/raw-http.js';
import { RedisServer } from '../support/redis-server.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const LIMIT = 50;
/** Long enough that nothing worth counting flows back during a test. */
const RATE_LIMITS = `general.paid=${LIMIT}/36000,general.free=1000/3600,query=3/36000,key_creation=2/36000`;
const BYOT_LIMIT = 20;
const MAX_BODY = 100_000;

let database: TestDatabase;
let redis: RedisServer;
let upstream: Upstream;
let replicas: TestApp[];
let client: InsertedClient;

beforeAll(async () => {
  [database, redis, upstream] = await Promise.all([createTestDatabase(), RedisServer.start(), startUpstream()]);
  const settings = {
    REDIS_URL: redis.url,
    RATE_LIMITS,
    MAX_BODY_BYTES: String(MAX_BODY),
    BYOT_MAX_BODY_BYTES: String(MAX_BODY),
    OPENAI_BASE_URL: `${upstream.origin}/v1`,
  };
  replicas = [await startApp({ database, redis: null, settings }), await startApp({ database, redis: null, settings })];
});

afterAll(async () => {
  await Promise.all((replicas ?? []).map((replica) => replica.stop()));
  await Promise.all([redis?.stop(), upstream?.close(), database?.drop()]);
});

beforeEach(async () => {
  client = await replica().createClient({ scopes: ['llm:invoke'] });
});

const replica = (index = 0) => replicas[index % 2] as TestApp;

function call(path: string, init: RequestInit = {}, on = replica()): Promise<Response> {
  return fetch(`${on.url}${path}`, { ...init, headers: { 'x-api-key': client.apiKey, ...init.headers } });
}

const remaining = async () => {
  const { status, headers } = await call('/api/v1/whoami');
  expect(status).toBe(200);
  return Number(headers.get('x-ratelimit-remaining'));
};

/** How many of `count` requests at once, over both replicas, had which status. */
async function burst(count: number, path = '/api/v1/whoami'): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const { status } = await call(path, {}, replica(i));
      statuses[status] = (statuses[status] ?? 0) + 1;
    }),
  );
  return statuses;
}

describe('500 requests at once over two replicas', () => {
  it(`of one client: exactly ${LIMIT} get through`, async () => {
    expect(await burst(500)).toEqual({ 200: LIMIT, 429: 500 - LIMIT });
    const refused = await call('/api/v1/whoami', {}, replica(1));
    expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited', status: 429 });
  });

  it('leave another client all of its own', async () => {
    await burst(200);
    client = await replica().createClient();
    expect(await remaining()).toBe(LIMIT - 1);
  });

  it('with two buckets: the smaller one counts, and what it refuses costs the larger one nothing', async () => {
    const ask = (i: number) =>
      call(
        '/api/v1/query',
        { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"query":"hello"}' },
        replica(i),
      ).then(({ status }) => status);
    const statuses = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    expect(statuses.filter((status) => status === 429)).toHaveLength(37);
    expect(await remaining()).toBe(LIMIT - 4);
  });
});

describe('a request that is refused', () => {
  it('by anything before the throttle spends nothing', async () => {
    const before = await remaining();
    const [chat, json] = ['/v1/chat/completions', { 'content-type': 'application/json' }];
    const refusals: [number, () => Promise<Response>][] = [
      [401, () => call('/api/v1/whoami', { headers: { 'x-api-key': wrongKeyOf(client.clientId) } })],
      [401, () => call('/api/v1/whoami', { headers: { 'x-api-key': client.apiKey.slice(1) } })],
      [403, () => call('/api/v1/clients')],
      [403, () => call('/api/v1/api-logs')],
      [400, () => call('/api/v1/whoami', { headers: { authorization: `Bearer ${client.apiKey}` } })],
      [400, () => call(chat, { method: 'POST', headers: { ...json, 'x-provider-token': 'a b' }, body: '{}' })],
      [404, () => call('/v1/nothing')],
      [404, () => call('/api/v1/whoami', { method: 'DELETE' })],
      [400, () => call('/api/v1/whoami/%zz')],
      [414, () => call(`/api/v1/whoami?${'x'.repeat(9_000)}`)],
    ];
    for (const [expected, refused] of refusals)
      for (let i = 0; i < 3; i++) expect((await refused()).status).toBe(expected);
    expect(await remaining()).toBe(before - 1);
  });

  it('for the size of its body spends nothing', async () => {
    const before = await remaining();
    const response = await call('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'core-nest/echo', input: 'x'.repeat(MAX_BODY) }),
    });
    expect(response.status).toBe(413);
    expect(await remaining()).toBe(before - 1);
  });

  it('by the throttle spends nothing: what flows back is not eaten up by asking', async () => {
    await burst(LIMIT);
    const refused = await Promise.all(Array.from({ length: 100 }, (_, i) => call('/api/v1/whoami', {}, replica(i))));
    const waits = refused.map(({ headers }) => Number(headers.get('retry-after')));
    expect(Math.max(...waits)).toBeLessThanOrEqual(36_000 / LIMIT);
  });
});

describe('a caller with only a provider token', () => {
  const byot = (path: string, init: RequestInit = {}) =>
    fetch(`${replica().url}${path}`, { ...init, headers: { 'x-provider-token': 'sk-own', ...init.headers } });

  it('spends no bucket and is told of none', async () => {
    for (let i = 0; i < LIMIT + 10; i++) {
      const response = await byot('/api/v1/whoami');
      expect(response.status).toBe(200);
      expect(response.headers.get('x-ratelimit-limit')).toBeNull();
    }
  });

  it(`may have ${BYOT_LIMIT} requests under way at once, and clients are not counted among them`, async () => {
    upstream.requests.length = 0;
    const release: (() => void)[] = [];
    upstream.answer = (response) => {
      release.push(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    };
    const chat = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const body = JSON.stringify({ model: 'openai/gpt-4o', messages: [] });
    const held = Array.from({ length: BYOT_LIMIT }, () => byot('/v1/chat/completions', { ...chat, body }));
    await eventually(() => release.length === BYOT_LIMIT);

    const refused = await byot('/v1/chat/completions', { ...chat, body });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ error: { code: 'concurrency_limited' } });
    expect(await remaining()).toBe(LIMIT - 1);
    expect(upstream.requests).toHaveLength(BYOT_LIMIT);

    for (const finish of release.splice(0)) finish();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(BYOT_LIMIT).fill(200));
    await eventually(async () => (await byot('/api/v1/whoami')).status === 200);
  });

  it('frees its places when it leaves without waiting for the answer', async () => {
    upstream.answer = () => undefined;
    upstream.requests.length = 0;
    const text = JSON.stringify({ model: 'openai/gpt-4o', messages: [] });
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Provider-Token: sk-own\r\nContent-Length: ${text.length}\r\n`;
    const leaving = await Promise.all(Array.from({ length: BYOT_LIMIT }, () => RawConnection.open(replica().port)));
    for (const connection of leaving) connection.send(`${head}Content-Type: application/json\r\n\r\n${text}`);
    // Each of them has its place before anybody else asks for one.
    await eventually(() => upstream.requests.length === BYOT_LIMIT);
    expect((await byot('/api/v1/whoami')).status).toBe(429);
    for (const connection of leaving) connection.close();
    await eventually(async () => (await byot('/api/v1/whoami')).status === 200);
  });

  it('is bounded in the size of its bodies', async () => {
    const body = JSON.stringify({ model: 'openai/gpt-4o', input: 'x'.repeat(MAX_BODY) });
    const { status } = await byot('/v1/responses', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(status).toBe(413);
  });
});

describe('making clients', () => {
  it('has a limit of its own, which costs nothing when met', async () => {
    client = await replica().createClient({ scopes: ['admin'] });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"one of many"}' };
    const statuses = await Promise.all(Array.from({ length: 10 }, (_, i) => call('/api/v1/clients', init, replica(i))));
    expect(statuses.map(({ status }) => status).sort()).toEqual([201, 201, ...Array(8).fill(429)]);
    expect(await remaining()).toBe(LIMIT - 3);
  });
});

describe('Redis killed in the middle', () => {
  it('still holds every replica to the limit, and the answers say so', async () => {
    expect(await remaining()).toBe(LIMIT - 1);
    const load = Array.from({ length: 30 }, (_, i) => call('/api/v1/whoami', {}, replica(i)));
    await redis.kill();
    const first = (await Promise.all(load)).map(({ status }) => status);
    expect(first.every((status) => status === 200)).toBe(true);

    await eventually(async () => (await call('/api/v1/whoami')).headers.get('x-ratelimit-degraded') === 'true');
    const statuses = await burst(300);
    expect(Object.keys(statuses).sort()).toEqual(['200', '429']);
    expect(statuses[200]).toBeLessThanOrEqual(2 * LIMIT);
    for (const on of replicas) {
      const refused = await call('/api/v1/whoami', {}, on);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('x-ratelimit-degraded')).toBe('true');
    }

    await redis.restart();
    client = await replica().createClient();
    await eventually(async () => (await call('/api/v1/whoami')).headers.get('x-ratelimit-degraded') === null);
  });
});
