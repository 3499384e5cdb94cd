import { DataSource } from 'typeorm';
import { Clock } from '../../src/kernel/clock.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { ReadDatabase } from '../../src/platform/database/read-database.js';
import { ApiLogRepository } from '../../src/records/api-log/api-log.repository.js';
import { ApiLogService } from '../../src/records/api-log/api-log.service.js';
import { buildSettings } from '../support/build-settings.js';
import { clientOf, FILLED, fillApiLogs, userOf } from '../support/fill-api-logs.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** `API_LOG_ROWS=10000000` measures the size of a real installation; it takes some four minutes. */
const ROWS = Number(process.env.API_LOG_ROWS ?? 750_000);
const DAYS = 30;
const DAY_MS = 86_400_000;
const ROUNDS = 20;
const ATTEMPTS = 3;
const P95_MS = 50;
const ROW_BYTES = 400;

/** `count` days before now, to the second. */
const daysAgo = (count: number) => new Date(Date.now() - count * DAY_MS).toISOString();
/** Another value for each round, so that no answer was made before. */
type Query = (round: number) => Record<string, string>;

/** Searches an index serves, or rows that are many: their pages are full, or all there is. */
const SERVED: readonly [what: string, query: Query][] = [
  ['everything', () => ({})],
  ['everything, oldest first', () => ({ sort: 'created_at' })],
  ['a day', (round) => ({ created_after: daysAgo(round + 2), created_before: daysAgo(round + 1) })],
  ['the busiest client', () => ({ client_id: FILLED.busiestClient })],
  ['a client', (round) => ({ client_id: clientOf(round * 45 + 7) })],
  ['a client of the past', (round) => ({ client_id: clientOf(round * 45 + 7), created_before: daysAgo(round + 2) })],
  ['a client that never called', (round) => ({ client_id: `cn_live_nobody${round}` })],
  ['a user', (round) => ({ user_id: userOf(round * 45 + 7) })],
  ['a user and a status', (round) => ({ user_id: userOf(round * 45 + 7), status: '429' })],
  ['a user that never called', (round) => ({ user_id: userOf(round * 5 + 1) })],
  ['a status', () => ({ status: '429' })],
  ['a rare status', () => ({ status: String(FILLED.rareStatus) })],
  ['a status that never was', (round) => ({ status: String(510 + round) })],
  ['the success of a client', (round) => ({ client_id: clientOf(round * 45 + 7), status: '200' })],
  ['the failures of a client', (round) => ({ client_id: clientOf(round * 45 + 7), status: '502' })],
  ['rare failures of a client', (round) => ({ client_id: clientOf(round * 45 + 7), status: '503' })],
  ['failures the busiest client never met', (round) => ({ client_id: FILLED.busiestClient, status: `${510 + round}` })],
  [
    'a client, its status and a week',
    (round) => ({
      client_id: clientOf(round * 45 + 7),
      status: '429',
      created_after: daysAgo(round + 8),
      created_before: daysAgo(round + 1),
    }),
  ],
  ['a request', (round) => ({ request_id: requests[round] ?? '' })],
  ['a request that never was', (round) => ({ request_id: `req_${round}` })],
  ['an address', (round) => ({ client_address: `10.1.${round * 4 + 1}.${round}` })],
  ['an address that never called', (round) => ({ client_address: `192.0.2.${round}` })],
  ['a model', () => ({ model: 'openai/gpt-4o' })],
  ['a model that nobody asked for', (round) => ({ model: `openai/none-${round}` })],
  ['an error', () => ({ error_code: 'provider_not_configured' })],
  ['an error that never was', (round) => ({ error_code: `never_${round}` })],
  ['a provider, a method and a kind of caller', () => ({ provider: 'openai', method: 'POST', caller_kind: 'curl' })],
];

/** Searches for next to nothing that no index serves: their pages say how far they came. */
const UNSERVED: readonly [what: string, query: Query][] = [
  ['a method nobody used', () => ({ method: 'DELETE' })],
  ['callers there were none of', () => ({ caller_kind: 'java' })],
  [
    'a model of many that one of many never asks for',
    () => ({ client_id: FILLED.busiestClient, model: FILLED.rarelySharedModel }),
  ],
  ['a provider whose models are others', () => ({ provider: 'anthropic', model: 'openai/gpt-4o' })],
  ['a provider nobody used, oldest first', () => ({ provider: 'none', sort: 'created_at' })],
];

let database: TestDatabase;
let pool: DataSource;
let service: ApiLogService;
let requests: string[];
const figures: string[] = [];

beforeAll(
  async () => {
    database = await createTestDatabase();
    await fillApiLogs(database, ROWS, DAYS);
    const found = await database.query<{ id: string }>(
      `SELECT request_id AS id FROM api_logs TABLESAMPLE SYSTEM (1) LIMIT ${ROUNDS}`,
    );
    requests = found.map(({ id }) => id);
    pool = await new DataSource(servingOptions(database.url, 5)).initialize();
    service = new ApiLogService(
      new ApiLogRepository(new ReadDatabase(buildSettings(), pool), buildSettings(), new Clock()),
    );
  },
  Math.max(120_000, ROWS / 10),
);

afterAll(async () => {
  console.info([`api_logs with ${ROWS} rows over ${DAYS} days`, ...figures].join('\n'));
  await pool?.destroy();
  await database?.drop();
});

/** Measures until the p95 is within its bound: what else a busy machine does is not there each time. */
async function measure(what: string, query: Query) {
  let measured = await measureOnce(query);
  for (let attempt = 2; attempt <= ATTEMPTS && measured.p95 > P95_MS; attempt++) measured = await measureOnce(query);
  const { p50, p95, pages } = measured;
  const rows = pages.reduce((sum, { data }) => sum + data.length, 0) / ROUNDS;
  figures.push(`${what.padEnd(50)} p50 ${inColumn(p50)} p95 ${inColumn(p95)} ms, ${rows} rows`);
  return measured;
}

/** Asks once for each round, after one that is not counted. */
async function measureOnce(query: Query) {
  const times: number[] = [];
  const pages: Awaited<ReturnType<ApiLogService['list']>>[] = [];
  await service.list(query(0));
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now();
    pages.push(await service.list(query(round)));
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.ceil(ROUNDS * share) - 1] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), pages };
}

const inColumn = (milliseconds: number) => milliseconds.toFixed(1).padStart(5);

it(`a row takes ${ROW_BYTES} bytes at most, all its indexes included`, async () => {
  const [row] = await database.query<{ bytes: number; heap: number }>(`
    SELECT (sum(pg_total_relation_size(inhrelid)) / ${ROWS})::float8 AS bytes, (sum(pg_relation_size(inhrelid)) / ${ROWS})::float8 AS heap
    FROM pg_inherits WHERE inhparent = 'api_logs'::regclass`);
  figures.push(`bytes a row ${row?.bytes.toFixed(0)}, without its indexes ${row?.heap.toFixed(0)}`);
  expect(row?.heap).toBeGreaterThan(200);
  expect(row?.bytes).toBeLessThanOrEqual(ROW_BYTES);
});

it.each(SERVED)(`%s: p95 within ${P95_MS} ms, and all that belongs on the page`, async (what, query) => {
  const { p95, pages } = await measure(what, query);
  expect(p95).toBeLessThanOrEqual(P95_MS);
  const short = pages.filter(({ data, has_more: more }) => data.length < 50 && more);
  // What else the machine does can have a window given up, and another read more than was needed.
  expect(short.length).toBeLessThanOrEqual(ROUNDS / 4);
});

it.each(UNSERVED)(`%s: p95 within ${P95_MS} ms, and the next page goes on`, async (what, query) => {
  const { p95, pages } = await measure(what, query);
  expect(p95).toBeLessThanOrEqual(P95_MS);
  for (const { data } of pages) expect(data).toEqual([]);
  let page = pages[0];
  const cursors = new Set<string>();
  while (page?.next_cursor != null && cursors.size < 5) {
    cursors.add(page.next_cursor);
    page = await service.list({ ...query(0), cursor: page.next_cursor });
  }
});

it('deep pages cost what the first one does', async () => {
  const deep = await service.list({ created_before: daysAgo(DAYS - 3), client_id: FILLED.busiestClient, limit: '200' });
  expect(deep.next_cursor).not.toBeNull();
  const { p95 } = await measure('a deep page of the busiest client', () => ({
    client_id: FILLED.busiestClient,
    created_before: daysAgo(DAYS - 3),
    limit: '200',
    cursor: deep.next_cursor ?? '',
  }));
  expect(p95).toBeLessThanOrEqual(P95_MS);
});
