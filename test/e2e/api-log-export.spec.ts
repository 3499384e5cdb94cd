import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type AppProcess, startAppProcess } from '../support/app-process.js';
import { eventually } from '../support/eventually.js';
import { fillApiLogs } from '../support/fill-api-logs.js';
import { type InsertedClient, insertClient } from '../support/insert-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ROWS = 160_000;
const MEGABYTE = 1_048_576;
const FILE_MEGABYTES = 65;

let database: TestDatabase;
let app: AppProcess;
let reader: InsertedClient;

beforeAll(async () => {
  database = await createTestDatabase();
  await fillApiLogs(database, ROWS, 3);
  reader = await insertClient(database, { scopes: ['logs:read', 'metrics:read'] });
  app = await startAppProcess({
    DATABASE_URL: database.url,
    DATABASE_POOL_SIZE: '3',
    NODE_OPTIONS: '--max-old-space-size=400',
    RATE_LIMITS: 'general=1000000/60',
  });
}, 90_000);
afterAll(async () => {
  app?.child.kill('SIGKILL');
  await app?.exited;
  await database?.drop();
});

const get = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${app.port}${path}`, { headers: { 'x-api-key': reader.apiKey }, ...init });
const exported = (query: string, init?: RequestInit) => get(`/api/v1/api-logs/export?${query}`, init);

async function metric(name: string): Promise<number> {
  const text = await (await get('/metrics')).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

const underWay = () => metric('core_nest_api_log_exports');

/** An export of everything on a connection of its own, of which nothing is read. */
async function unread(): Promise<Socket> {
  const socket = connect({ port: app.port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET /api/v1/api-logs/export HTTP/1.1\r\nHost: x\r\nX-API-Key: ${reader.apiKey}\r\n\r\n`);
  return socket;
}

async function idMany(query: string): Promise<string[]> {
  const response = await exported(query);
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { id: string }).id);
}

it('gives every row once, in the order of the list', async () => {
  const wanted = await database.query<{ id: string }>(
    `SELECT id FROM api_logs WHERE process IS NOT NULL AND status = 429 ORDER BY created_at DESC, id DESC`,
  );
  expect(wanted.length).toBeGreaterThan(3_000);
  expect(await idMany('status=429')).toEqual(wanted.map(({ id }) => id));
  const upwards = await idMany('status=429&sort=created_at&client_id=cn_live_000000000000');
  expect(upwards.length).toBeGreaterThan(100);
  expect(upwards).toEqual((await idMany('status=429&client_id=cn_live_000000000000')).reverse());
});

it('is a file of the format asked for, never stored', async () => {
  const csv = await exported('format=csv&status=503');
  expect(Object.fromEntries(csv.headers)).toMatchObject({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': 'attachment; filename="api-logs.csv"',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  const lines = (await csv.text()).split('\r\n');
  expect(lines[0]).toMatch(/^id,created_at,request_id,/);
  expect(lines.length).toBeGreaterThan(10);
  expect(lines.at(-1)).toBe('');
  const ndjson = await exported('status=503', { method: 'HEAD' });
  expect(ndjson.headers.get('content-disposition')).toBe('attachment; filename="api-logs.ndjson"');
  expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson');
  expect(await (await exported('client_id=nobody')).text()).toBe('');
});

it.each([
  ['format=xml', 'query.format: must be one of ndjson, csv'],
  ['format=csv&format=csv', 'query.format: must be one of ndjson, csv'],
  ['limit=5', 'query.limit: is not for exports: an export is whole'],
  ['cursor=x', 'query.cursor: is not for exports: an export is whole'],
  ['auth_headers=x', 'query.auth_headers: is not a filter of this list'],
])('refuses %s', async (query, detail) => {
  const response = await exported(query);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request', detail });
});

it('keeps no part of a file that it has written', async () => {
  const kept = async () =>
    ((await metric('nodejs_heap_size_used_bytes')) + (await metric('nodejs_external_memory_bytes'))) / MEGABYTE;
  let bytes = 0;
  const samples: number[] = [];
  for await (const chunk of (await exported('format=ndjson')).body ?? []) {
    bytes += chunk.length;
    if (bytes > samples.length * 2 * MEGABYTE) samples.push(await kept());
  }
  expect(bytes).toBeGreaterThan(FILE_MEGABYTES * MEGABYTE);
  // What is kept shows right after a collection. The second half of the file would be 30 and more.
  const half = samples.length / 2;
  const grown = Math.min(...samples.slice(half)) - Math.min(...samples.slice(0, half));
  expect(grown).toBeLessThan(FILE_MEGABYTES / 4);
});

it('waits for a reader that takes nothing, without a connection to PostgreSQL, and lets go of one that leaves', async () => {
  const sockets = [await unread(), await unread()];
  await eventually(async () => (await underWay()) === 2);

  const refused = await exported('status=503');
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await refused.json()).toMatchObject({ code: 'concurrency_limited' });

  await eventually(async () => (await busyConnections()) === 0);
  const lists = await Promise.all(Array.from({ length: 20 }, () => get('/api/v1/api-logs?limit=1')));
  expect(lists.map(({ status }) => status)).toEqual(Array(20).fill(200));

  for (const socket of sockets) socket.destroy();
  await eventually(async () => (await underWay()) === 0);
  await eventually(async () => (await busyConnections()) === 0);
  expect((await exported('status=503')).status).toBe(200);
});

it('stops asking PostgreSQL when the caller leaves in the middle', async () => {
  const stop = new AbortController();
  const file = await exported('', { signal: stop.signal });
  await file.body?.[Symbol.asyncIterator]().next();
  stop.abort();
  await eventually(async () => (await underWay()) === 0 && (await busyConnections()) === 0);
  await eventually(async () => {
    const response = await get('/api/v1/api-logs?status=499&limit=1');
    const { data } = (await response.json()) as { data: { route: string | null }[] };
    return data[0]?.route === '/api/v1/api-logs/export';
  });
});

it('breaks off, so that a part never looks whole, when PostgreSQL goes away', async () => {
  const response = await exported('');
  await database.query(`ALTER TABLE api_logs RENAME TO api_logs_away`);
  try {
    await expect(response.text()).rejects.toThrow();
  } finally {
    await database.query(`ALTER TABLE api_logs_away RENAME TO api_logs`);
  }
  await eventually(async () => (await underWay()) === 0);
});

/** Connections of the process that are asking something, or hold a transaction open. */
async function busyConnections(): Promise<number> {
  const [row] = await database.query<{ busy: number }>(`
    SELECT count(*)::int AS busy FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'core-nest' AND state <> 'idle'`);
  return row?.busy ?? -1;
}
