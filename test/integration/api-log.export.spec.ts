import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';

const ROWS = 4_000;

let core: TestApp;
let reader: InsertedClient;

beforeAll(async () => {
  core = await startApp();
  reader = await core.createClient({ scopes: ['logs:read', 'metrics:read'] });
  await core.database.query(
    `INSERT INTO api_logs (created_at, request_id, method, status, latency_ms, model)
     SELECT now() - n * interval '10 milliseconds', 'export-' || n, 'PUT', CASE n % 2 WHEN 0 THEN 200 ELSE 502 END, 1, '=1+' || n
     FROM generate_series(1, $1::int) AS n`,
    [ROWS],
  );
});
afterAll(() => core.stop());

const get = (path: string, init: RequestInit = {}) =>
  fetch(`${core.url}${path}`, { ...init, headers: { 'x-api-key': reader.apiKey, connection: 'close' } });
const exported = (query: string, init?: RequestInit) => get(`/api/v1/api-logs/export?${query}`, init);
const underWay = async () => /^core_nest_api_log_exports (\d+)$/m.exec(await (await get('/metrics')).text())?.[1];

it('goes through many pages, in either order and either format', async () => {
  const down = (await (await exported('method=PUT')).text()).trim().split('\n');
  expect(down.map((line) => (JSON.parse(line) as { request_id: string }).request_id)).toEqual(
    Array.from({ length: ROWS }, (_, n) => `export-${n + 1}`),
  );
  const csv = await (await exported('method=PUT&format=csv&sort=created_at&status=502')).text();
  const lines = csv.trim().split('\r\n').slice(1);
  expect(lines.map((line) => line.split(',')[2])).toEqual(
    Array.from({ length: ROWS / 2 }, (_, n) => `export-${ROWS - 1 - 2 * n}`),
  );
  for (const line of lines) expect(line).toMatch(/,'=1\+\d+,/);
});

it('takes no row that came in after it began, so that it ends', async () => {
  await core.database.query(
    `INSERT INTO api_logs (created_at, request_id, method, status, latency_ms) VALUES (now() + interval '1 hour', 'later', 'PATCH', 200, 1)`,
  );
  expect(await (await exported('method=PATCH&sort=created_at')).text()).toBe('');
  const until = new Date(Date.now() + 7_200_000).toISOString();
  expect(await (await exported(`method=PATCH&created_before=${until}`)).text()).toContain('later');
});

it('says what it would be to who asks for its head, and reads no further', async () => {
  const head = await exported('format=csv', { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(head.headers.get('content-disposition')).toBe('attachment; filename="api-logs.csv"');
  expect(await underWay()).toBe('0');
});

it.each([
  ['format=xml', 'query.format'],
  ['limit=1', 'query.limit'],
  ['status=many', 'query.status'],
])('refuses %s, and counts it no longer', async (query, location) => {
  const refused = await exported(query);
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ errors: [{ location }] });
  expect(await underWay()).toBe('0');
});

it('writes two at once, and is free again when the callers leave', async () => {
  const stops = [new AbortController(), new AbortController()];
  await core.database.query('ALTER TABLE api_logs RENAME TO api_logs_away');
  try {
    expect((await exported('')).status).toBe(500);
  } finally {
    await core.database.query('ALTER TABLE api_logs_away RENAME TO api_logs');
  }
  await core.database.query(`UPDATE api_logs SET route = repeat('x', 30000) WHERE method = 'PUT'`);
  const files = await Promise.all(stops.map(({ signal }) => exported('method=PUT', { signal })));
  expect(files.map(({ status }) => status)).toEqual([200, 200]);
  await eventually(async () => (await underWay()) === '2');
  const refused = await exported('');
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ code: 'concurrency_limited' });
  for (const stop of stops) stop.abort();
  await eventually(async () => (await underWay()) === '0');
});

it('breaks off when a page cannot be had', async () => {
  const file = await exported('method=PUT');
  expect(file.status).toBe(200);
  await core.database.query('ALTER TABLE api_logs RENAME TO api_logs_away');
  try {
    await expect(file.text()).rejects.toThrow();
  } finally {
    await core.database.query('ALTER TABLE api_logs_away RENAME TO api_logs');
  }
  await eventually(async () => (await underWay()) === '0');
});
