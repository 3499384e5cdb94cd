import { DataSource } from 'typeorm';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { ReadDatabase } from '../../src/platform/database/read-database.js';
import type { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { ApiLogAggregationRepository } from '../../src/records/api-log/rollups/api-log-aggregation.repository.js';
import { ApiLogAggregationService } from '../../src/records/api-log/rollups/api-log-aggregation.service.js';
import { ApiLogRollupsRepository } from '../../src/records/api-log/rollups/api-log-rollups.repository.js';
import { ApiLogRollupsService } from '../../src/records/api-log/rollups/api-log-rollups.service.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { FrozenClock } from '../support/frozen-clock.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Half past an hour, of a day that has its partition. */
const NOW = Math.floor(Date.now() / HOUR_MS) * HOUR_MS + 30 * MINUTE_MS;

let database: TestDatabase;
let pool: DataSource;
let clock: FrozenClock;
const repositories: ApiLogAggregationRepository[] = [];
let service: ApiLogAggregationService;
let rollups: ApiLogRollupsService;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(
    `CREATE TABLE api_logs_before PARTITION OF api_logs FOR VALUES FROM ('2020-01-01') TO (current_date)`,
  );
  pool = await new DataSource(servingOptions(database.url, 4)).initialize();
  clock = new FrozenClock(NOW);
  service = start();
  rollups = new ApiLogRollupsService(new ApiLogRollupsRepository(new ReadDatabase(buildSettings(), pool)));
});
afterEach(async () => {
  for (const repository of repositories.splice(0)) repository.close();
  await pool.destroy();
  await database.drop();
});

/** The job as another process would begin it. */
function start(settings: Parameters<typeof buildSettings>[0] = {}): ApiLogAggregationService {
  const built = buildSettings({ DATABASE_URL: database.url, ...settings });
  const repository = new ApiLogAggregationRepository(built);
  repositories.push(repository);
  return new ApiLogAggregationService(repository, built, clock, undefined as unknown as PeriodicService);
}

interface Row {
  readonly client?: string | null;
  readonly status?: number;
  readonly latency?: number;
  readonly input?: number;
  readonly process?: number;
  readonly sequence?: number;
}

const insertAt = (
  at: number,
  { client = 'cn_live_a', status = 200, latency = 1, input = 10, process, sequence }: Row,
) =>
  database.query(
    `INSERT INTO api_logs (created_at, method, status, latency_ms, client_id, input_tokens, output_tokens, bytes_in, bytes_out, process, sequence)
     VALUES ($1, 'GET', $2, $3, $4, $5, 1, 2, 3, $6, $7)`,
    [new Date(at), status, latency, client, input, process ?? null, sequence ?? null],
  );

const all = async (query: Record<string, string> = {}) => (await rollups.list(query)).data;
const requests = async () => {
  const [row] = await database.query<{ sum: number }>(
    'SELECT coalesce(sum(requests), 0)::int AS sum FROM api_log_rollups',
  );
  return row?.sum;
};

describe('requests by client and hour', () => {
  it('are counted by what became of them, and added up', async () => {
    for (const status of [200, 200, 400, 401, 404, 429, 429, 499, 500, 503])
      await insertAt(NOW - MINUTE_MS, { status, latency: status });
    await insertAt(NOW - MINUTE_MS, { client: null, status: 401 });
    await service.run();
    expect(await all()).toEqual([
      {
        hour: new Date(NOW - 30 * MINUTE_MS).toISOString().replace('.000', ''),
        client_id: 'cn_live_a',
        requests: 10,
        refused: 3,
        rate_limited: 2,
        failed: 2,
        caller_left: 1,
        input_tokens: 100,
        output_tokens: 10,
        bytes_in: 20,
        bytes_out: 30,
        latency_ms_sum: 3965,
        latency_ms_max: 503,
      },
      expect.objectContaining({ client_id: null, requests: 1, refused: 1 }),
    ]);
  });

  it('are the same however often they are made, and by however many at once', async () => {
    for (let n = 0; n < 30; n++) await insertAt(NOW - n * 5 * MINUTE_MS, { client: `cn_live_${n % 3}` });
    await Promise.all([service.run(), start().run(), start().run()]);
    const first = await all();
    for (let n = 0; n < 3; n++) await start().run();
    expect(await all()).toEqual(first);
    expect(await requests()).toBe(30);
  });

  it('count rows that come late, up to two days', async () => {
    await insertAt(NOW, {});
    await service.run();
    await insertAt(NOW - HOUR_MS, {});
    await insertAt(NOW - 30 * HOUR_MS, {});
    await insertAt(NOW - 49 * HOUR_MS, {});
    for (let round = 0; round < 48; round++) await service.run();
    expect(await requests()).toBe(4);
  });

  it('are made up for from where they ended, when nobody made them for days', async () => {
    for (let hours = 0; hours < 200; hours += 20) await insertAt(NOW - hours * HOUR_MS, {});
    await service.run();
    expect(await requests()).toBe(10);
    clock.set(NOW + 5 * DAY_MS);
    for (const days of [1, 2, 3]) await insertAt(NOW + days * DAY_MS, {});
    await start().run();
    expect(await requests()).toBe(13);
  });

  it('double nothing and lose nothing when the one that makes them is cut off anywhere', async () => {
    for (let n = 0; n < 400; n++) await insertAt(NOW - n * 10 * MINUTE_MS, { client: `cn_live_${n % 5}` });
    const cut = () =>
      database.query(`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%api_log%' AND pid <> pg_backend_pid() AND state <> 'idle'`);
    let failures = 0;
    for (let attempt = 0; attempt < 10; attempt++) {
      const run = start()
        .run()
        .catch(() => failures++);
      await eventually(async () => (await cut()).length > 0, 500).catch(() => undefined);
      await run;
    }
    expect(failures).toBeGreaterThan(0);
    await start().run();
    expect(await requests()).toBe(400);
  });

  it('outlive the log they were made from, for as long as they are kept', async () => {
    await insertAt(NOW - 26 * HOUR_MS, {});
    await service.run();
    await database.query('DROP TABLE api_logs_before');
    await start().run();
    expect(await requests()).toBe(1);
    clock.set(NOW + 2 * DAY_MS);
    await start({ API_LOG_ROLLUP_RETENTION_DAYS: '2' }).run();
    expect(await requests()).toBe(0);
  });

  it('are listed by client and time, page by page', async () => {
    for (let hour = 0; hour < 12; hour++)
      for (const client of ['cn_live_a', 'cn_live_b', null]) await insertAt(NOW - hour * HOUR_MS, { client });
    await service.run();
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await rollups.list({ limit: '5', sort: 'hour', ...(cursor !== null && { cursor }) });
      seen.push(...page.data.map(({ hour, client_id }) => `${hour} ${client_id ?? ''}`));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toHaveLength(36);
    expect(seen).toEqual([...new Set(seen)].sort());
    const from = new Date(NOW - 30 * MINUTE_MS - 5 * HOUR_MS).toISOString();
    const to = new Date(NOW - 30 * MINUTE_MS - 2 * HOUR_MS).toISOString();
    expect(await all({ client_id: 'cn_live_b', from, to })).toHaveLength(3);
    expect(await all({ client_id: '' })).toHaveLength(12);
    await expect(rollups.list({ status: '200' })).rejects.toMatchObject({
      message: 'query.status: is not a filter of this list',
    });
  });

  it('rest after a long round, so that the log is read a small part of the time', async () => {
    await insertAt(NOW, {});
    const slow = jest.spyOn(ApiLogAggregationRepository.prototype, 'aggregate').mockImplementation(async () => {
      clock.set(clock.now() + 10_000);
    });
    await service.run();
    const calls = slow.mock.calls.length;
    await service.run();
    expect(slow.mock.calls.length).toBe(calls);
    clock.set(clock.now() + 20 * calls * 10_000);
    await service.run();
    expect(slow.mock.calls.length).toBeGreaterThan(calls);
  });

  it('begin no further hour once the process stops', async () => {
    const aggregate = jest.spyOn(ApiLogAggregationRepository.prototype, 'aggregate');
    service.onModuleDestroy();
    await service.run();
    expect(aggregate).not.toHaveBeenCalled();
  });
});

describe('rows that are missing', () => {
  const markedAt = (process: number, issued: number, at: string, ended = false) =>
    database.query(
      `INSERT INTO api_log_processes (process, issued, ended, marked_at) VALUES ($1, $2, $3, now() - $4::interval)`,
      [process, issued, ended, at],
    );
  const gaps = () =>
    database.query('SELECT process, issued, written::int, missing::int, ended FROM api_log_gaps ORDER BY process');

  it('are the numbers without a row, those after the last row included', async () => {
    for (const sequence of [1, 2, 5, 6]) await insertAt(NOW, { process: 1, sequence });
    for (const sequence of [1, 2, 3]) await insertAt(NOW - HOUR_MS, { process: 2, sequence });
    await insertAt(NOW, { process: 2, sequence: 4 });
    await markedAt(1, 8, '1 hour');
    await markedAt(2, 3, '1 hour', true);
    await markedAt(3, 7, '1 minute');
    await service.run();
    expect(await gaps()).toEqual([
      { process: 1, issued: 8, written: 4, missing: 4, ended: false },
      { process: 2, issued: 4, written: 4, missing: 0, ended: true },
      { process: 3, issued: 7, written: 0, missing: 7, ended: false },
    ]);
    // The third process may yet write its rows.
    expect(service.missingRows).toBe(4);
  });

  it('are forgotten with the rows', async () => {
    await insertAt(NOW - 26 * HOUR_MS, { process: 1, sequence: 3 });
    await markedAt(1, 3, '40 days');
    await start({ API_LOG_RETENTION_DAYS: '1' }).run();
    expect(await gaps()).toEqual([]);
    expect(await database.query('SELECT * FROM api_log_sequences WHERE process = 1')).toEqual([]);
  });
});
