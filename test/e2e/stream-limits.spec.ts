import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Redis } from 'ioredis';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { type AppProcess, startAppProcess } from '../support/app-process.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';
import { RedisServer } from '../support/redis-server.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const CAP = 6;
const BYOT_CAP = 4;
const LIMIT = 1000;

let database: TestDatabase;
let redis: RedisServer;
let upstream: Upstream;
let replicas: TestApp[];
let admin: InsertedClient;
let client: InsertedClient;
let settings: Record<string, string>;
const agent = new Agent({ keepAlive: false, maxSockets: 2_000 });

beforeAll(async () => {
  [database, redis, upstream] = await Promise.all([createTestDatabase(), RedisServer.start(), startUpstream()]);
  upstream.answer = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"first":true}\n\n');
  };
  settings = {
    REDIS_URL: redis.url,
    MAX_CONCURRENT_STREAMS_PER_CLIENT: String(CAP),
    BYOT_MAX_CONCURRENT_PER_ADDRESS: String(BYOT_CAP),
    RATE_LIMITS: `general=${LIMIT}/36000`,
    OPENAI_API_KEY: 'sk-house',
    OPENAI_BASE_URL: `${upstream.origin}/v1`,
    ANTHROPIC_API_KEY: 'sk-house',
    ANTHROPIC_BASE_URL: upstream.origin,
    GEMINI_API_KEY: 'sk-house',
    GEMINI_BASE_URL: upstream.origin,
  };
  replicas = await Promise.all([0, 1, 2].map(() => startApp({ database, redis: null, settings })));
  admin = await replica().createClient({ scopes: ['admin'] });
  await eventually(() => replicas.every(({ app }) => app.get(ReplicaRegistry, { strict: false }).live === 3));
});
beforeEach(async () => {
  client = await replica().createClient();
});
afterEach(async () => {
  hangUp();
  await eventually(async () => (await onRedis((admin) => admin.keys('*:streams'))).length === 0);
});
afterAll(async () => {
  agent.destroy();
  await Promise.all((replicas ?? []).map((each) => each.stop()));
  await Promise.all([redis?.stop(), upstream?.close(), database?.drop()]);
});

const replica = (index = 0) => replicas[index % 3] as TestApp;

/** Looks into Redis on a connection of its own, past the code under test. */
async function onRedis<T>(look: (client: Redis) => Promise<T>): Promise<T> {
  const connection = redis.connect();
  try {
    return await look(connection);
  } finally {
    connection.disconnect();
  }
}

interface Opened {
  readonly status: number;
  readonly response: IncomingMessage;
}

const open = new Set<ClientRequest>();

function hangUp(): void {
  for (const each of open) each.destroy();
  open.clear();
}

const CHAT = { model: 'openai/gpt-4o', stream: true, messages: [] };

/** Sends a request and resolves when its answer has begun; a stream stays open until the test hangs up. */
function start(port: number, headers: Record<string, string>, path = '/v1/chat/completions', body: object = CHAT) {
  return new Promise<Opened>((resolve, reject) => {
    const text = JSON.stringify(body);
    const sent = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path,
      agent,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
    });
    open.add(sent);
    sent.on('error', reject).on('response', (response) => {
      response.on('error', () => undefined);
      resolve({ status: response.statusCode ?? 0, response });
    });
    sent.end(text);
  });
}

const key = () => ({ 'x-api-key': client.apiKey });

function many(count: number, headers: Record<string, string> = key()): Promise<Opened[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => start(replica(index).port, headers)));
}

const streaming = (opened: readonly Opened[]) => opened.filter(({ status }) => status === 200);

async function bodyOf({ response }: Opened): Promise<{ error: { code: string; message: string } }> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return JSON.parse(text);
}

async function remaining(): Promise<number> {
  const { headers } = await fetch(`${replica().url}/api/v1/whoami`, { headers: key() });
  return Number(headers.get('x-ratelimit-remaining'));
}

function put(path: string, body: object): Promise<Response> {
  return fetch(`${replica().url}/api/v1/rate-limits/${path}`, {
    method: 'PUT',
    headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

describe('streams of one client', () => {
  it(`are ${CAP} at once over three replicas, of 300 started together; a refusal spends nothing`, async () => {
    const before = await remaining();
    const opened = await many(300);
    expect(streaming(opened)).toHaveLength(CAP);
    const refused = opened.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(300 - CAP);
    for (const one of refused.slice(0, 20)) {
      expect(one.response.headers['retry-after']).toBe('1');
      expect((await bodyOf(one)).error).toMatchObject({ code: 'concurrency_limited' });
    }
    expect((await bodyOf(refused[30] as Opened)).error.message).toBe(
      `At most ${CAP} streams of one client may be under way at once. Try again when one has ended.`,
    );
    expect(await remaining()).toBe(before - CAP - 1);

    hangUp();
    await eventually(async () => streaming(await many(1)).length === 1);
  });

  it('are counted apart from those of others, and from what does not stream', async () => {
    expect(streaming(await many(20))).toHaveLength(CAP);
    const messages = [{ role: 'user', content: 'hi' }];
    const plain = await start(replica(1).port, key(), undefined, { model: 'core-nest/echo', messages });
    expect(plain.status).toBe(200);
    client = await replica().createClient();
    expect(streaming(await many(20))).toHaveLength(CAP);
  });

  it.each([1, 'true', []])('are not had by asking for them with %j, which goes to no provider', async (stream) => {
    const before = upstream.requests.length;
    const refused = await start(replica().port, key(), undefined, { ...CHAT, stream });
    expect(refused.status).toBe(400);
    expect((await bodyOf(refused)).error.message).toBe('body.stream: must be true or false');
    expect(upstream.requests).toHaveLength(before);
  });

  it.each([
    ['/v1/messages', { model: 'anthropic/claude', max_tokens: 1, stream: true, messages: [] }],
    ['/v1/responses', { model: 'openai/gpt-4o', stream: true, input: 'x' }],
    ['/v1beta/models/gemini/gemini-2:streamGenerateContent?alt=sse', { contents: [] }],
  ])('on %s are counted with the others', async (path, body) => {
    expect(streaming(await many(20))).toHaveLength(CAP);
    expect((await start(replica().port, key(), path, body)).status).toBe(429);
    hangUp();
    await eventually(async () => (await start(replica().port, key(), path, body)).status === 200);
  });

  it('that ended are not under way any more', async () => {
    const echo = { model: 'core-nest/echo', stream: true, messages: [{ role: 'user', content: 'hi' }] };
    for (let index = 0; index < 3 * CAP; index += 1) {
      const { status, response } = await start(replica(index).port, key(), undefined, echo);
      expect(status).toBe(200);
      for await (const _ of response);
      const subject = redisKey.streams(client.clientId);
      await eventually(async () => (await onRedis((each) => each.exists(subject))) === 0);
    }
  });

  it('are as many as an override says, at once on every replica, and explained', async () => {
    expect((await put(`overrides/clients/${client.clientId}/streams`, { concurrent: 2 })).status).toBe(200);
    expect(streaming(await many(30))).toHaveLength(2);
    const explained = await fetch(`${replica(2).url}/api/v1/rate-limits/explain`, {
      method: 'POST',
      headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ client_id: client.clientId, route: 'POST /v1/chat/completions' }),
    });
    expect(await explained.json()).toMatchObject({
      allowed: true,
      streams: { concurrent: 2, under_way: 2, source: { type: 'override' } },
    });
  });

  it('in shadow are counted and let through', async () => {
    await put(`overrides/clients/${client.clientId}/streams`, { concurrent: 2, mode: 'shadow' });
    expect(streaming(await many(9))).toHaveLength(9);
    const counted = await Promise.all(
      replicas.map(async ({ url }) => {
        const text = await (await fetch(`${url}/metrics`, { headers: { 'x-api-key': admin.apiKey } })).text();
        return Number(/would_have_refused_total\{class="streams"\} (\d+)/.exec(text)?.[1] ?? 0);
      }),
    );
    expect(counted.reduce((sum, count) => sum + count)).toBe(7);
  });
});

describe('a replica that is killed', () => {
  it('frees the places of its streams within ten seconds, and not before those of the others', async () => {
    const doomed: AppProcess = await startAppProcess({ DATABASE_URL: database.url, ...settings });
    try {
      for (let index = 0; index < CAP - 1; index += 1) expect((await start(doomed.port, key())).status).toBe(200);
      expect((await start(replica().port, key())).status).toBe(200);
      expect((await start(replica(1).port, key())).status).toBe(429);
      for (const each of open) each.on('error', () => undefined);
      doomed.child.kill('SIGKILL');
      await doomed.exited;
      const killedAt = performance.now();
      expect((await start(replica(1).port, key())).status).toBe(429);
      let had = 0;
      await eventually(async () => {
        if ((await start(replica(2).port, key())).status === 200) had += 1;
        return had === CAP - 1;
      }, 11_000);
      expect(performance.now() - killedAt).toBeLessThan(10_000);
      expect((await start(replica(2).port, key())).status).toBe(429);
    } finally {
      doomed.child.kill('SIGKILL');
    }
  });
});

describe('callers with only a provider token', () => {
  it(`may have ${BYOT_CAP} requests under way at once from one address, over three replicas`, async () => {
    const opened = await many(100, { 'x-provider-token': 'sk-own' });
    expect(streaming(opened)).toHaveLength(BYOT_CAP);
    const refused = opened.find(({ status }) => status === 429) as Opened;
    expect((await bodyOf(refused)).error.code).toBe('concurrency_limited');
    expect(streaming(await many(20))).toHaveLength(CAP);
    hangUp();
    await eventually(async () => streaming(await many(1, { 'x-provider-token': 'sk-own' })).length === 1);
  });
});

describe('without Redis', () => {
  it('each replica lets its share through and says so; when it is back nothing is doubled', async () => {
    expect((await many(1)).map(({ status }) => status)).toEqual([200]);
    await redis.kill();
    await eventually(async () => {
      const { headers } = await fetch(`${replica().url}/api/v1/whoami`, { headers: key() });
      return headers.get('x-ratelimit-degraded') === 'true';
    });
    await eventually(() => replicas.every(({ app }) => app.get(ReplicaRegistry, { strict: false }).live === 3));
    const opened = await many(90);
    expect(streaming(opened)).toHaveLength(CAP - 1);
    const refused = opened.find(({ status }) => status === 429) as Opened;
    expect(refused.response.headers['x-ratelimit-degraded']).toBe('true');
    expect((await bodyOf(refused)).error.message).toContain(`At most ${CAP / 3} streams`);

    await redis.restart();
    const held = async () => onRedis((each) => each.zcard(redisKey.streams(client.clientId)));
    await eventually(async () => (await held()) === CAP, 10_000);
    expect(streaming(await many(30))).toHaveLength(0);
  });
});
