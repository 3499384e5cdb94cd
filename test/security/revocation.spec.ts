import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

const AFTER = 500;
const CALLERS = 8;

let database: TestDatabase;
let redis: TestRedis;
let toRedis: TcpProxy;
/** One reaches Redis through the proxy, the other directly. */
let cut: TestApp;
let whole: TestApp;
let replicas: readonly TestApp[];
let admin: InsertedClient;
let client: InsertedClient;

beforeAll(async () => {
  [database, redis] = await Promise.all([createTestDatabase(), createTestRedis()]);
  toRedis = await TcpProxy.start(redis.url);
  cut = await startApp({ database, redis, settings: { REDIS_URL: toRedis.through(redis.url) } });
  whole = await startApp({ database, redis });
  replicas = [cut, whole];
  admin = await cut.createClient({ scopes: ['admin'] });
});

afterAll(async () => {
  await Promise.all([cut?.stop(), whole?.stop()]);
  await toRedis?.stop();
  await Promise.all([database?.drop(), redis?.drop()]);
});

beforeEach(async () => {
  client = await cut.createClient({ scopes: ['logs:read', 'llm:invoke'] });
  for (const replica of replicas) expect(await statusOf(replica)).toBe(200);
});

async function statusOf(replica: TestApp, path = '/api/v1/whoami'): Promise<number> {
  const response = await fetch(`${replica.url}${path}`, { headers: { authorization: `Bearer ${client.apiKey}` } });
  await response.arrayBuffer();
  return response.status;
}

async function manage(replica: TestApp, method: string, body?: object) {
  const response = await fetch(`${replica.url}/api/v1/clients/${client.clientId}`, {
    method,
    headers: { 'x-api-key': admin.apiKey, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

/** Statuses of requests to both replicas in turn, none of which starts before the call. */
async function statusesAfter(count = AFTER): Promise<Set<number>> {
  const statuses = new Set<number>();
  for (let started = 0; started < count; started += 50)
    for (const status of await Promise.all(Array.from({ length: 50 }, (_, i) => statusOf(replicas[i % 2] as TestApp))))
      statuses.add(status);
  return statuses;
}

/** Callers on both replicas that never pause. What each request that started before or after a moment was told. */
function traffic() {
  const seen: { started: number; status: number }[] = [];
  let stopped = false;
  const callers = Array.from({ length: CALLERS }, async (_, i) => {
    while (!stopped) {
      const started = performance.now();
      seen.push({ started, status: await statusOf(replicas[i % 2] as TestApp) });
    }
  });
  return {
    seen,
    stop: async () => {
      stopped = true;
      await Promise.all(callers);
    },
  };
}

const storedRows = async () => {
  const [row] = await database.query<Record<'clients' | 'secrets' | 'fences', string>>(
    `SELECT (SELECT count(*) FROM clients WHERE client_id = $1) AS clients,
            (SELECT count(*) FROM client_secrets WHERE client_id = $1) AS secrets,
            (SELECT count(*) FROM credential_fences WHERE client_id = $1) AS fences`,
    [client.clientId],
  );
  return row && { clients: Number(row.clients), secrets: Number(row.secrets), fences: Number(row.fences) };
};
const entryKey = () => `cn:{${client.clientId}}:credential`;

describe('DELETE of a client', () => {
  it.each([0, 1])('on replica %i under traffic: 204, and nothing that starts afterwards is accepted', async (index) => {
    const load = traffic();
    await eventually(() => load.seen.length > 100);
    expect(new Set(load.seen.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await manage(replicas[index] as TestApp, 'DELETE')).toEqual({ status: 204, body: null });
    const revoked = performance.now();
    expect(await statusesAfter()).toEqual(new Set([401]));
    await load.stop();
    const afterwards = load.seen.filter(({ started }) => started >= revoked);
    expect(afterwards.length).toBeGreaterThan(10);
    expect(afterwards.filter(({ status }) => status !== 401)).toEqual([]);
  });

  it('leaves nothing of it in PostgreSQL, and nothing to authenticate with in Redis', async () => {
    expect(await redis.client.exists(entryKey())).toBe(1);
    expect((await manage(cut, 'DELETE')).status).toBe(204);
    expect(await storedRows()).toEqual({ clients: 0, secrets: 0, fences: 0 });
    expect(await redis.client.exists(entryKey())).toBe(0);
    expect(await statusesAfter(50)).toEqual(new Set([401]));
    expect(await redis.client.exists(entryKey())).toBe(0);
  });

  it('holds when Redis loses everything', async () => {
    expect((await manage(cut, 'DELETE')).status).toBe(204);
    await redis.client.flushdb();
    expect(await statusesAfter(50)).toEqual(new Set([401]));
  });

  it('holds against an entry that comes back with an older copy of Redis', async () => {
    const entry = (await redis.client.get(entryKey())) ?? '';
    expect(entry).not.toBe('');
    expect((await manage(cut, 'DELETE')).status).toBe(204);
    await redis.client.flushdb();
    await redis.client.set(entryKey(), entry, 'PX', 300_000);
    expect(await statusesAfter(100)).toEqual(new Set([401]));
  });

  it('is 404 the second time, and for what was never there', async () => {
    expect((await manage(cut, 'DELETE')).status).toBe(204);
    expect(await manage(whole, 'DELETE')).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });
});

describe('PATCH of a client is in force on the next request of every replica', () => {
  it('disabled, and enabled again', async () => {
    expect((await manage(cut, 'PATCH', { status: 'disabled' })).status).toBe(200);
    expect(await statusesAfter(100)).toEqual(new Set([401]));
    expect((await manage(whole, 'PATCH', { status: 'active' })).status).toBe(200);
    for (const replica of replicas) expect(await statusOf(replica)).toBe(200);
  });

  it('with fewer scopes, and with more', async () => {
    for (const replica of replicas) expect(await statusOf(replica, '/api/v1/api-logs')).toBe(200);
    expect((await manage(whole, 'PATCH', { scopes: ['llm:invoke'] })).status).toBe(200);
    for (const replica of replicas) expect(await statusOf(replica, '/api/v1/api-logs')).toBe(403);
    expect((await manage(cut, 'PATCH', { scopes: ['logs:read'] })).status).toBe(200);
    for (const replica of replicas) expect(await statusOf(replica, '/api/v1/api-logs')).toBe(200);
    for (const replica of replicas) expect(await statusOf(replica, '/v1/models')).toBe(403);
  });

  it('with an end, which is kept to the second', async () => {
    const end = Math.floor(Date.now() / 1000) * 1000 + 2_000;
    expect((await manage(cut, 'PATCH', { expires_at: new Date(end).toISOString() })).status).toBe(200);
    const load = traffic();
    await eventually(() => Date.now() > end + 300);
    await load.stop();
    const offset = Date.now() - performance.now();
    const late = load.seen.filter(({ started }) => started + offset > end);
    expect(late.length).toBeGreaterThan(5);
    expect(late.filter(({ status }) => status !== 401)).toEqual([]);
    expect(load.seen.some(({ status }) => status === 200)).toBe(true);
  });
});

describe('DELETE while Redis cannot be told', () => {
  afterEach(() => toRedis.heal());

  it('is 204 all the same, because every replica confirms; Redis is told by itself when it is back', async () => {
    await toRedis.refuse();
    expect(await manage(cut, 'DELETE')).toEqual({ status: 204, body: null });
    expect(await storedRows()).toEqual({ clients: 0, secrets: 0, fences: 1 });
    expect(await statusesAfter(100)).toEqual(new Set([401]));

    await toRedis.heal();
    await eventually(async () => (await storedRows())?.fences === 0);
    expect(await redis.client.exists(entryKey())).toBe(0);
    expect(await statusesAfter(100)).toEqual(new Set([401]));
  });

  it('is 204 as well when Redis takes the call and never answers', async () => {
    toRedis.blackHole();
    const started = performance.now();
    expect((await manage(cut, 'DELETE')).status).toBe(204);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(await statusesAfter(100)).toEqual(new Set([401]));
  });
});
