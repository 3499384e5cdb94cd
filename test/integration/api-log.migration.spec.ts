import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { EmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { eventually } from '../support/eventually.js';
import { migrateUpTo, revertDownTo } from '../support/migrate-to.js';
import { startPostgres } from '../support/postgres-server.js';

const ROWS = 200_000;
const CANARY = 'CANARY4f1d';
const run = promisify(execFile);

describe('api_logs upgraded from the earlier core-nest', () => {
  let postgres: EmbeddedPostgres;
  let client: Client;
  let url: string;
  let databases = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(async () => {
    await postgres.stop();
  });
  beforeEach(async () => {
    const name = `upgrade_${++databases}`;
    await query(postgres.url, `CREATE DATABASE ${name}`);
    url = Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
    client = new Client({ connectionString: url });
    await client.connect();
    await migrateUpTo(url, 'CreateApiLogs');
  });
  afterEach(async () => {
    await client.end();
    await query(postgres.url, `DROP DATABASE upgrade_${databases} WITH (FORCE)`);
  });

  async function query(where: string, sql: string): Promise<void> {
    const once = new Client({ connectionString: where });
    await once.connect();
    await once.query(sql);
    await once.end();
  }

  /** Rows with credentials: many alike (so that they reach the statistics), each of its own, and some out of line. */
  async function fill(rows: number): Promise<void> {
    await client.query('ALTER TABLE api_logs ALTER COLUMN auth_headers SET STORAGE EXTERNAL');
    await client.query(
      `INSERT INTO api_logs (created_at, request_id, method, route, status, latency_ms, client_id, client_address, auth_headers)
       SELECT now() - n * interval '13.000007 seconds', 'req-' || n, 'POST', '/v1/chat/completions', 200 + n % 5, n / 7.0,
              'cn_live_' || n % 50, '10.0.0.' || n % 250,
              CASE WHEN n % 3 = 0 THEN jsonb_build_object('authorization', $2 || '-often-' || n % 5)
                   WHEN n % 1000 = 1 THEN jsonb_build_object('x-api-key', $2 || repeat('-long', 1000))
                   ELSE jsonb_build_object('authorization', 'Bearer ' || $2 || n, 'cookie', md5(n::text)) END
       FROM generate_series(1, $1::int) AS n`,
      [rows, CANARY],
    );
    await client.query('ANALYZE api_logs');
  }

  async function digest(): Promise<unknown> {
    const { rows } = await client.query(`
      SELECT count(*)::int, md5(string_agg(row, '' ORDER BY row)) FROM (
        SELECT md5(concat_ws('|', id, created_at, request_id, method, route, status, latency_ms, client_id, client_address)) AS row
        FROM api_logs WHERE request_id LIKE 'req-%') AS rows`);
    return rows[0];
  }

  const killMigration = () =>
    client.query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'core-nest'`);

  const isTrue = async (sql: string) => (await client.query(`SELECT (${sql}) AS is`)).rows[0].is === true;

  /** The files below the data directory that hold the canary. */
  async function filesWithCanary(): Promise<string[]> {
    await client.query('CHECKPOINT');
    const { rows } = await client.query('SHOW data_directory');
    const found = await run('grep', ['-rlaF', CANARY, rows[0].data_directory]).catch((error) => error);
    return String(found.stdout).split('\n').filter(Boolean);
  }

  /** Reads as the service does until stopped; tells the longest wait. */
  function startReader() {
    const reader = { stopped: false, longestMs: 0, reads: 0 };
    const done = (async () => {
      const own = new Client({ connectionString: url });
      await own.connect();
      while (!reader.stopped) {
        const from = performance.now();
        await own.query(`SELECT id, status FROM api_logs WHERE created_at < now() ORDER BY created_at DESC LIMIT 50`);
        reader.longestMs = Math.max(reader.longestMs, performance.now() - from);
        reader.reads++;
        await delay(5);
      }
      await own.end();
    })();
    return {
      async stop() {
        reader.stopped = true;
        await done;
        return reader;
      },
    };
  }

  /** An old process that goes on writing, until its column is gone; tells the request ids that were accepted. */
  async function writeAsOldVersion(): Promise<string[]> {
    const accepted: string[] = [];
    const own = new Client({ connectionString: url });
    await own.connect();
    try {
      for (let n = 0; ; n++) {
        await own.query(
          `INSERT INTO api_logs (request_id, method, status, latency_ms, auth_headers) VALUES ($1, 'GET', 200, 1, $2)`,
          [`live-${n}`, { authorization: `${CANARY}-live` }],
        );
        accepted.push(`live-${n}`);
        if (n % 10 === 9) {
          await own.query(`UPDATE api_logs SET status = 201 WHERE request_id = $1`, [`live-${n - 5}`]);
          await own.query(`DELETE FROM api_logs WHERE request_id = $1`, [`live-${n - 7}`]);
          accepted.splice(accepted.indexOf(`live-${n - 7}`), 1);
        }
        await delay(2);
      }
    } catch (error) {
      expect(error).toMatchObject({ code: '42703' });
      return accepted;
    } finally {
      await own.end();
    }
  }

  it('takes the values out of every file, while it is read and written, and keeps everything else', async () => {
    await fill(ROWS);
    const before = await digest();
    expect((await filesWithCanary()).length).toBeGreaterThan(1);

    const reader = startReader();
    const [accepted] = await Promise.all([writeAsOldVersion(), migrateUpTo(url, 'DropApiLogAuthHeaders')]);
    await migrateUpTo(url, 'PartitionApiLogs');
    const { longestMs, reads } = await reader.stop();

    expect(reads).toBeGreaterThan(50);
    expect(longestMs).toBeLessThan(1_000);
    expect(await digest()).toEqual(before);
    const live = await client.query(`SELECT request_id AS id, status FROM api_logs WHERE request_id LIKE 'live-%'`);
    expect(live.rows.map(({ id }) => id).sort()).toEqual(accepted.sort());
    expect(live.rows.filter(({ status }) => status === 201).length).toBeGreaterThan(0);
    expect(await filesWithCanary()).toEqual([]);
  }, 120_000);

  it('can be run again after its session was killed, before the swap and after it', async () => {
    await fill(60_000);
    const before = await digest();
    const first = expect(migrateUpTo(url, 'PartitionApiLogs')).rejects.toThrow();
    await eventually(() => isTrue(`coalesce(pg_relation_size(to_regclass('api_logs_rewrite')), 0) > 0`));
    await killMigration();
    await first;
    expect(await digest()).toEqual(before);
    expect((await filesWithCanary()).length).toBeGreaterThan(1);
    await client.query(`UPDATE api_logs SET route = '/changed' WHERE request_id = 'req-7'`);
    const changed = await digest();

    const old = new Client({ connectionString: url });
    await old.connect();
    await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await old.query('SELECT 1');
    const second = expect(migrateUpTo(url, 'PartitionApiLogs')).rejects.toThrow();
    await eventually(
      () =>
        isTrue(
          `NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'api_logs'::regclass AND attname = 'auth_headers')`,
        ),
      20_000,
    );
    await killMigration();
    await second;
    await old.end();
    expect(await digest()).toEqual(changed);

    await migrateUpTo(url, 'PartitionApiLogs');
    expect(await digest()).toEqual(changed);
    expect(await filesWithCanary()).toEqual([]);
    const left = await client.query(
      `SELECT relname FROM pg_class WHERE relname LIKE 'api_logs_rewrite%' OR relname = 'api_logs_later'`,
    );
    expect(left.rows).toEqual([]);
  }, 60_000);

  it('can be run again after its session was killed while it built an index', async () => {
    await fill(1_000);
    const before = await digest();
    await migrateUpTo(url, 'DropApiLogAuthHeaders');
    const old = new Client({ connectionString: url });
    await old.connect();
    await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await old.query('SELECT 1');
    const first = expect(migrateUpTo(url, 'PartitionApiLogs')).rejects.toThrow();
    const invalid = `EXISTS (SELECT FROM pg_index WHERE indrelid = 'api_logs'::regclass AND NOT indisvalid)`;
    await eventually(() => isTrue(invalid), 10_000);
    await killMigration();
    await first;
    await old.end();
    expect(await isTrue(invalid)).toBe(true);
    await migrateUpTo(url, 'PartitionApiLogs');
    expect(await digest()).toEqual(before);
    expect(await isTrue('EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)')).toBe(false);
  }, 60_000);

  it('lets readers through while a long transaction keeps it from the swap', async () => {
    await fill(1_000);
    const long = new Client({ connectionString: url });
    await long.connect();
    await long.query('BEGIN');
    await long.query('SELECT 1 FROM api_logs LIMIT 1');
    const migrated = migrateUpTo(url, 'PartitionApiLogs');
    const isWaiting = async () => {
      const { rows } = await client.query(`SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'`);
      return rows.length > 0;
    };
    const reader = startReader();
    await eventually(isWaiting, 10_000);
    await eventually(async () => !(await isWaiting()), 10_000);
    await eventually(isWaiting, 10_000);
    await long.end();
    await migrated;
    expect((await reader.stop()).longestMs).toBeLessThan(1_000);
    expect(await digest()).toMatchObject({ count: 1_000 });
  }, 60_000);

  it('goes down to an empty column, and up again', async () => {
    await fill(2_000);
    const before = await digest();
    await migrateUpTo(url, 'PartitionApiLogs');
    await revertDownTo(url, 'CreateApiLogs');
    const { rows } = await client.query(
      'SELECT count(*)::int AS rows, count(auth_headers)::int AS headers FROM api_logs',
    );
    expect(rows[0]).toEqual({ rows: 2_000, headers: 0 });
    expect(await digest()).toEqual(before);
    await migrateUpTo(url, 'PartitionApiLogs');
    expect(await digest()).toEqual(before);
    await expect(client.query('SELECT auth_headers FROM api_logs')).rejects.toMatchObject({ code: '42703' });
  }, 60_000);

  it('cleans the files of tables and statistics as a plain owner of the database, and says what it may not clean', async () => {
    const database = new URL(url).pathname.slice(1);
    await client.query(`CREATE ROLE plain_${databases} CREATEROLE`);
    await client.query(`ALTER DATABASE ${database} OWNER TO plain_${databases}`);
    await client.query(`ALTER TABLE api_logs OWNER TO plain_${databases}`);
    await client.query(`ALTER TABLE schema_migrations OWNER TO plain_${databases}`);
    await client.query(`GRANT SELECT ON api_logs TO pg_monitor`);
    await fill(5_000);
    // Few and short values, which the statistics keep as they are; longer ones would be compressed past recognition.
    await client.query(`UPDATE api_logs SET auth_headers = '{"authorization":"${CANARY}-often"}'`);
    await client.query('ANALYZE api_logs');
    const statistics = await client.query(`SELECT pg_relation_filepath('pg_statistic') AS path`);
    expect(await filesWithCanary()).toContainEqual(expect.stringContaining(statistics.rows[0].path));
    await client.query(`ALTER ROLE CURRENT_USER IN DATABASE ${database} SET role = plain_${databases}`);
    const warnings = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    await migrateUpTo(url, 'PartitionApiLogs');
    expect(warnings.mock.calls.flat()).toEqual([expect.stringContaining('pg_wal')]);

    expect((await filesWithCanary()).filter((file) => !file.includes('/pg_wal/'))).toEqual([]);
    const { rows } = await client.query(`
      SELECT tableowner, has_table_privilege('pg_monitor', 'api_logs', 'SELECT') AS granted FROM pg_tables
      WHERE tablename = 'api_logs'`);
    expect(rows[0]).toEqual({ tableowner: `plain_${databases}`, granted: true });
  }, 60_000);

  it('keeps rows that a wrong clock dated into the future', async () => {
    await fill(10);
    await client.query(`UPDATE api_logs SET created_at = '2199-12-31T12:00:00Z' WHERE request_id = 'req-3'`);
    const before = await digest();
    await migrateUpTo(url, 'PartitionApiLogs');
    expect(await digest()).toEqual(before);
    const { rows } = await client.query(
      `SELECT tableoid::regclass::text AS name FROM api_logs WHERE request_id = 'req-3'`,
    );
    expect(rows).toEqual([{ name: 'api_logs_2199_12_31' }]);
  }, 60_000);
});
