import { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const LIMIT = 50;
const SHARE = Math.floor(LIMIT / 3);

let database: TestDatabase;
let redis: RedisServer;
let toRedis: TcpProxy;
let toPostgres: TcpProxy;
let replicas: TestApp[];
let admin: InsertedClient;
let client: InsertedClient;

beforeAll(async () => {
  [database, redis] = await Promise.all([createTestDatabase(), RedisServer.start()]);
  [toRedis, toPostgres] = await Promise.all([TcpProxy.start(redis.url), TcpProxy.start(database.url)]);
  const settings = {
    REDIS_URL: toRedis.through(redis.url),
    RATE_LIMITS: `general.paid=${LIMIT}/36000,general.tiny=2/36000,general.ops=1000000/60`,
  };
  replicas = await Promise.all(
    [0, 1, 2].map((index) =>
      startApp({
        database,
        redis: null,
        // The third reaches PostgreSQL over a line of its own, which a test may cut.
        settings: { ...settings, ...(index === 2 && { DATABASE_URL: toPostgres.through(database.url) }) },
      }),
    ),
  );
  admin = await replica().createClient({ scopes: ['admin'], tier: 'ops' });
  await eventually(() => replicas.every(({ app }) => app.get(ReplicaRegistry, { strict: false }).live === 3));
});
beforeEach(async () => {
  client = await replica().createClient();
});
afterAll(async () => {
  await Promise.all((replicas ?? []).map((each) => each.stop()));
  await Promise.all([toRedis?.stop(), toPostgres?.stop(), redis?.stop()]);
  await database?.drop();
});

const replica = (index = 0) => replicas[index % 3] as TestApp;

function whoami(on: TestApp, by = client): Promise<Response> {
  return fetch(`${on.url}/api/v1/whoami`, { headers: { 'x-api-key': by.apiKey } });
}

/** How many of so many requests at once each replica let through. */
async function passed(count: number): Promise<number[]> {
  const through = [0, 0, 0];
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { status } = await whoami(replica(index));
      expect([200, 429]).toContain(status);
      if (status === 200) through[index % 3] = (through[index % 3] ?? 0) + 1;
    }),
  );
  return through;
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count);

async function allDegraded(are: boolean): Promise<void> {
  const probe = await replica().createClient({ tier: 'ops' });
  await eventually(async () => {
    const answers = await Promise.all(replicas.map((each) => whoami(each, probe)));
    return answers.every(({ headers }) => (headers.get('x-ratelimit-degraded') === 'true') === are);
  }, 10_000);
}

async function metric(on: TestApp, name: string): Promise<number> {
  const text = await (await fetch(`${on.url}/metrics`, { headers: { 'x-api-key': admin.apiKey } })).text();
  return Number(new RegExp(`^core_nest_${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

async function ready(on: TestApp): Promise<{ status: string; checks: Record<string, string> }> {
  return (await fetch(`${on.url}/health/ready`)).json() as Promise<{ status: string; checks: Record<string, string> }>;
}

function put(path: string, body: object): Promise<Response> {
  return fetch(`${replica().url}/api/v1/rate-limits/${path}`, {
    method: 'PUT',
    headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

describe('three replicas cut off from Redis', () => {
  afterEach(async () => {
    await toRedis.heal();
    await allDegraded(false);
  });

  it('enforce a third of the limit each, say so, and are normal again', async () => {
    expect((await ready(replica())).checks).toMatchObject({ rate_limits: 'up' });
    await toRedis.refuse();
    await allDegraded(true);
    const through = await passed(400);
    expect(through).toEqual([SHARE, SHARE, SHARE]);
    const refused = await whoami(replica(1));
    expect(refused.status).toBe(429);
    expect(refused.headers.get('x-ratelimit-degraded')).toBe('true');
    expect(refused.headers.get('x-ratelimit-limit')).toBe(String(SHARE));
    expect(refused.headers.get('ratelimit-policy')).toBe(`"general";q=${SHARE};w=36000`);
    expect(await refused.json()).toMatchObject({
      decision_id: refused.headers.get('x-ratelimit-decision'),
      detail: expect.stringContaining(`"general" of ${SHARE} requests`),
    });
    for (const each of replicas) {
      expect(await metric(each, 'rate_limits_degraded')).toBe(1);
      expect(await metric(each, 'rate_limit_degraded_total')).toBeGreaterThan(100);
      await eventually(async () => (await ready(each)).checks.rate_limits === 'degraded');
    }

    await toRedis.heal();
    await allDegraded(false);
    await eventually(async () => (await ready(replica())).checks.rate_limits === 'up');
    expect(await metric(replica(), 'rate_limits_degraded')).toBe(0);
    // What Redis's own bucket held: the bound the documentation states.
    expect(sum(await passed(400))).toBe(LIMIT);
  });

  it('go on from what Redis last said: an outage is not a fresh limit', async () => {
    expect(sum(await passed(300))).toBe(LIMIT);
    await toRedis.refuse();
    await allDegraded(true);
    expect(await passed(300)).toEqual([0, 0, 0]);
  });

  it('let one request through each where the limit is smaller than their number', async () => {
    client = await replica().createClient({ tier: 'tiny' });
    await toRedis.refuse();
    await allDegraded(true);
    expect(await passed(60)).toEqual([1, 1, 1]);
  });

  it('explain what they decide by themselves, with the id the refusal has', async () => {
    await toRedis.refuse();
    await allDegraded(true);
    await passed(200);
    const refused = await whoami(replica(1));
    const explained = await fetch(`${replica(2).url}/api/v1/rate-limits/explain`, {
      method: 'POST',
      headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ client_id: client.clientId, route: 'GET /api/v1/whoami' }),
    });
    expect(await explained.json()).toMatchObject({
      allowed: false,
      degraded: true,
      decision_id: refused.headers.get('x-ratelimit-decision'),
      buckets: [{ quota: SHARE, remaining: 0 }],
      streams: { under_way: 0 },
    });
  });

  it('while it flaps every 100 ms let no more through than twice the limit', async () => {
    let through = 0;
    for (let turn = 0; turn < 10; turn += 1) {
      await (turn % 2 === 0 ? toRedis.refuse() : toRedis.heal());
      const until = performance.now() + 100;
      while (performance.now() < until) through += sum(await passed(30));
    }
    expect(through).toBeGreaterThanOrEqual(SHARE);
    expect(through).toBeLessThanOrEqual(2 * LIMIT);
  });
});

describe('a replica cut off from PostgreSQL', () => {
  it('keeps the last known policies, is waited for and named, and follows when it is back', async () => {
    expect((await put('policies/general/paid', { windows: [{ quota: 40, window_seconds: 36_000 }] })).status).toBe(200);
    expect((await whoami(replica(2))).headers.get('x-ratelimit-limit')).toBe('40');
    await toPostgres.refuse();
    const pending = await put('policies/general/paid', { windows: [{ quota: 41, window_seconds: 36_000 }] });
    expect(pending.status).toBe(202);
    expect(await pending.json()).toMatchObject({ propagation: 'pending', bounded_by_seconds: expect.any(Number) });
    expect((await whoami(replica())).headers.get('x-ratelimit-limit')).toBe('41');
    expect((await whoami(replica(2))).headers.get('x-ratelimit-limit')).toBe('40');
    await toPostgres.heal();
    await eventually(async () => (await whoami(replica(2))).headers.get('x-ratelimit-limit') === '41');
    const removed = await fetch(`${replica().url}/api/v1/rate-limits/policies/general/paid`, {
      method: 'DELETE',
      headers: { 'x-api-key': admin.apiKey },
    });
    expect(removed.status).toBe(204);
    expect((await whoami(replica(2))).headers.get('x-ratelimit-limit')).toBe('50');
  });
});
