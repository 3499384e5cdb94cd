import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { migrateUpTo, revertDownTo } from '../support/migrate-to.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';

const ROWS = 150_000;
const DAYS = 5;

describe('api_logs of the release before, given its new indexes', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createEmptyDatabase();
    await migrateUpTo(database.url, 'PartitionApiLogs');
    for (let day = 1; day <= DAYS; day++)
      await database.query(`
        CREATE TABLE api_logs_2027_01_0${day} (LIKE api_logs INCLUDING DEFAULTS INCLUDING INDEXES);
        ALTER TABLE api_logs ATTACH PARTITION api_logs_2027_01_0${day}
        FOR VALUES FROM ('2027-01-0${day} 00:00:00+00') TO ('2027-01-0${day + 1} 00:00:00+00')`);
    await database.query(
      `INSERT INTO api_logs (created_at, request_id, method, status, latency_ms, client_id, client_address, model)
       SELECT '2027-01-01'::timestamptz + n * interval '1 day' * $2::int / $1::int, 'req-' || n, 'GET', 200 + n % 7, 1,
              'cn_live_' || n % 100, '10.0.0.' || n % 200, 'openai/gpt-' || n % 4
       FROM generate_series(0, $1::int - 1) AS n`,
      [ROWS, DAYS],
    );
  });
  afterEach(() => database.drop());

  /** The release before: it reads by its client and writes rows of its own columns, until stopped. */
  function startTraffic() {
    const traffic = { stopped: false, longestMs: 0, written: 0 };
    const work = async (sql: string, wrote: number) => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      while (!traffic.stopped) {
        const from = performance.now();
        await client.query(sql);
        traffic.longestMs = Math.max(traffic.longestMs, performance.now() - from);
        traffic.written += wrote;
        await delay(3);
      }
      await client.end();
    };
    const done = Promise.all([
      work(`SELECT id FROM api_logs WHERE client_id = 'cn_live_7' ORDER BY created_at DESC, id DESC LIMIT 50`, 0),
      work(
        `INSERT INTO api_logs (created_at, method, status, latency_ms) VALUES ('2027-01-05 12:00Z', 'GET', 200, 1)`,
        1,
      ),
    ]);
    return async () => {
      traffic.stopped = true;
      await done;
      return traffic;
    };
  }

  /** The indexes of the table as a whole, of which none may lack a partition. */
  async function indexes(): Promise<string[]> {
    const rows = await database.query<{ name: string; valid: boolean }>(`
      SELECT relname AS name, indisvalid AS valid FROM pg_index JOIN pg_class ON oid = indexrelid
      WHERE indrelid = 'api_logs'::regclass ORDER BY relname`);
    expect(rows.filter(({ valid }) => !valid)).toEqual([]);
    const [{ invalid } = { invalid: -1 }] = await database.query<{ invalid: number }>(
      'SELECT count(*)::int AS invalid FROM pg_index WHERE NOT indisvalid',
    );
    expect(invalid).toBe(0);
    return rows.map(({ name }) => name.replace('api_logs_', ''));
  }

  const count = async () =>
    (await database.query<{ rows: number }>('SELECT count(*)::int AS rows FROM api_logs'))[0]?.rows;

  const NEW = [
    'address_idx',
    'client_status_idx',
    'client_time_idx',
    'error_idx',
    'model_idx',
    'pkey',
    'request_hash_idx',
    'status_idx',
  ];

  it('is read and written all the while, keeps its rows, and its next day has them too', async () => {
    const stop = startTraffic();
    await migrateUpTo(database.url, 'IndexApiLogsForSize');
    const { longestMs, written } = await stop();
    expect(longestMs).toBeLessThan(1_000);
    expect(written).toBeGreaterThan(20);
    expect(await indexes()).toEqual(NEW);
    expect(await count()).toBe(ROWS + written);
    await database.query(`CREATE TABLE api_logs_next (LIKE api_logs INCLUDING DEFAULTS INCLUDING INDEXES)`);
    await database.query(
      `ALTER TABLE api_logs ATTACH PARTITION api_logs_next FOR VALUES FROM ('2027-01-06') TO ('2027-01-07')`,
    );
    expect(await indexes()).toEqual(NEW);
  }, 60_000);

  it('can be given them again after the session was killed in the middle', async () => {
    for (let kill = 0; kill < 3; kill++) {
      const migrated = expect(migrateUpTo(database.url, 'IndexApiLogsForSize')).rejects.toThrow();
      await eventually(async () => {
        const killed = await database.query(`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'`);
        return killed.length > 0;
      });
      await migrated;
    }
    await migrateUpTo(database.url, 'IndexApiLogsForSize');
    expect(await indexes()).toEqual(NEW);
    expect(await count()).toBe(ROWS);
  }, 60_000);

  it('is given the index by user while it is in use', async () => {
    await migrateUpTo(database.url, 'IndexApiLogsForSize');
    const stop = startTraffic();
    await migrateUpTo(database.url, 'AddUserToApiLogs');
    const { longestMs, written } = await stop();
    expect(longestMs).toBeLessThan(1_000);
    expect(await indexes()).toEqual([...NEW, 'user_idx']);
    expect(await count()).toBe(ROWS + written);
    await revertDownTo(database.url, 'IndexApiLogsForSize');
    expect(await indexes()).toEqual(NEW);
  }, 60_000);

  it('goes back to those it had', async () => {
    const before = await indexes();
    await migrateUpTo(database.url, 'IndexApiLogsForSize');
    await revertDownTo(database.url, 'PartitionApiLogs');
    expect(await indexes()).toEqual(before);
    expect(await count()).toBe(ROWS);
  }, 60_000);
});
