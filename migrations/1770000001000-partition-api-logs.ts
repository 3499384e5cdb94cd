import type { MigrationInterface, QueryRunner } from 'typeorm';
import { aloneOnApiLogs, inShortLock } from './support/short-lock.js';
import { copyOwnerAndGrants } from './support/table-rights.js';

const DAYS_AHEAD = 3;
const INDEXES = [
  ['client', '(client_id, created_at, id)'],
  ['request', '(request_id)'],
] as const;

/**
 * Makes `api_logs` a table of UTC-day partitions, with the columns of the present record.
 *
 * The rows there are stay where they are: their table becomes the partition of all days up to today, `api_logs_legacy`,
 * and goes as a whole once retention has passed. Indexes are built and rows are checked while the table is in use, so
 * that the swap itself reads no row. It can be run again after it broke off anywhere.
 */
export class PartitionApiLogs1770000001000 implements MigrationInterface {
  name = 'PartitionApiLogs1770000001000';
  transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await aloneOnApiLogs(runner, async () => {
      if (await isPartitioned(runner)) return;
      await addColumns(runner);
      await buildIndexes(runner);
      const boundary = await settleBoundary(runner);
      await swap(runner, boundary);
    });
  }

  /** Back to the one table of the earlier shape; what it had no column for is lost. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_logs_plain (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        created_at timestamptz NOT NULL DEFAULT now(),
        request_id text,
        method text NOT NULL,
        route text,
        status integer NOT NULL,
        latency_ms real NOT NULL,
        client_id text,
        client_address text
      )`);
    const columns = 'id, created_at, request_id, method, route, status, latency_ms, client_id, client_address';
    await runner.query(`INSERT INTO api_logs_plain (${columns}) SELECT ${columns} FROM api_logs`);
    await copyOwnerAndGrants(runner, 'api_logs', 'api_logs_plain');
    await runner.query('DROP TABLE api_logs');
    await runner.query('ALTER TABLE api_logs_plain RENAME TO api_logs');
    await runner.query('ALTER TABLE api_logs ADD CONSTRAINT api_logs_pkey PRIMARY KEY (id)');
    await runner.query('CREATE INDEX api_logs_created_at_idx ON api_logs (created_at)');
    await runner.query('CREATE INDEX api_logs_client_id_idx ON api_logs (client_id)');
  }
}

async function isPartitioned(runner: QueryRunner): Promise<boolean> {
  const [{ kind }] = await runner.query(`SELECT relkind AS kind FROM pg_class WHERE oid = 'api_logs'::regclass`);
  return kind === 'p';
}

function addColumns(runner: QueryRunner): Promise<unknown> {
  return inShortLock(runner, 'Adding columns to api_logs', () =>
    runner.query(`
      ALTER TABLE api_logs
        ADD COLUMN IF NOT EXISTS bytes_in bigint,
        ADD COLUMN IF NOT EXISTS bytes_out bigint,
        ADD COLUMN IF NOT EXISTS auth_method text,
        ADD COLUMN IF NOT EXISTS caller_kind text,
        ADD COLUMN IF NOT EXISTS provider text,
        ADD COLUMN IF NOT EXISTS model text,
        ADD COLUMN IF NOT EXISTS stream boolean NOT NULL DEFAULT false,
        ADD COLUMN IF NOT EXISTS input_tokens integer,
        ADD COLUMN IF NOT EXISTS output_tokens integer,
        ADD COLUMN IF NOT EXISTS error_code text`),
  );
}

/** What an interrupted build left behind is not valid and is built anew. */
async function buildIndexes(runner: QueryRunner): Promise<void> {
  const build = async (name: string, unique: string, keys: string) => {
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
    await runner.query(`CREATE ${unique} INDEX CONCURRENTLY ${name} ON api_logs ${keys}`);
  };
  await build('api_logs_legacy_key', 'UNIQUE', '(created_at, id)');
  for (const [name, keys] of INDEXES) await build(`api_logs_legacy_${name}_idx`, '', keys);
}

/**
 * The first midnight (UTC) that belongs to the new partitions, as an SQL literal. Rows dated later than that by a wrong
 * clock move to partitions of their own days; then the check that spares the swap from reading the table is made.
 */
async function settleBoundary(runner: QueryRunner): Promise<string> {
  const [{ boundary }] = await runner.query(
    `SELECT to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYY-MM-DD') || ' 00:00:00+00' AS boundary`,
  );
  await inShortLock(runner, 'Checking the days of api_logs', async () => {
    await runner.query('CREATE TABLE IF NOT EXISTS api_logs_later (LIKE api_logs INCLUDING DEFAULTS)');
    await runner.query(`
      WITH later AS (DELETE FROM api_logs WHERE created_at >= '${boundary}' RETURNING *)
      INSERT INTO api_logs_later SELECT * FROM later`);
    await runner.query('ALTER TABLE api_logs DROP CONSTRAINT IF EXISTS api_logs_legacy_days');
    await runner.query(`
      ALTER TABLE api_logs ADD CONSTRAINT api_logs_legacy_days CHECK (created_at < '${boundary}') NOT VALID`);
  });
  await runner.query('ALTER TABLE api_logs VALIDATE CONSTRAINT api_logs_legacy_days');
  return boundary;
}

async function swap(runner: QueryRunner, boundary: string): Promise<void> {
  await inShortLock(runner, 'Partitioning api_logs', async () => {
    await runner.query('LOCK TABLE api_logs IN ACCESS EXCLUSIVE MODE');
    const [{ empty }] = await runner.query('SELECT NOT EXISTS (SELECT FROM api_logs) AS empty');
    await runner.query('ALTER TABLE api_logs RENAME TO api_logs_legacy');
    await runner.query('ALTER TABLE api_logs_legacy DROP CONSTRAINT api_logs_pkey');
    await runner.query('DROP INDEX IF EXISTS api_logs_created_at_idx, api_logs_client_id_idx');
    await runner.query(
      'ALTER TABLE api_logs_legacy ADD CONSTRAINT api_logs_legacy_pkey PRIMARY KEY USING INDEX api_logs_legacy_key',
    );
    await runner.query(
      'CREATE TABLE api_logs (LIKE api_logs_legacy INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)',
    );
    await runner.query('ALTER TABLE api_logs ADD CONSTRAINT api_logs_pkey PRIMARY KEY (created_at, id)');
    for (const [name, keys] of INDEXES) await runner.query(`CREATE INDEX api_logs_${name}_idx ON api_logs ${keys}`);
    await copyOwnerAndGrants(runner, 'api_logs_legacy', 'api_logs');
    if (empty) await runner.query('DROP TABLE api_logs_legacy');
    else {
      await runner.query(
        `ALTER TABLE api_logs ATTACH PARTITION api_logs_legacy FOR VALUES FROM (MINVALUE) TO ('${boundary}')`,
      );
      await runner.query('ALTER TABLE api_logs_legacy DROP CONSTRAINT api_logs_legacy_days');
    }
    await makeDays(runner, empty ? 'now()' : `'${boundary}'::timestamptz`);
    await runner.query('INSERT INTO api_logs SELECT * FROM api_logs_later');
    await runner.query('DROP TABLE api_logs_later');
  });
}

/** The days from `start` on, and those of rows dated later still. */
async function makeDays(runner: QueryRunner, start: string): Promise<void> {
  const days = await runner.query(`
    SELECT to_char(day, 'YYYY_MM_DD') AS name, to_char(day, 'YYYY-MM-DD') AS day, to_char(day + 1, 'YYYY-MM-DD') AS next
    FROM (SELECT (${start} AT TIME ZONE 'UTC')::date + n AS day FROM generate_series(0, ${DAYS_AHEAD}) AS n
          UNION SELECT (created_at AT TIME ZONE 'UTC')::date FROM api_logs_later) AS days`);
  for (const { name, day, next } of days)
    await runner.query(`
      CREATE TABLE api_logs_${name} PARTITION OF api_logs FOR VALUES FROM ('${day} 00:00:00+00') TO ('${next} 00:00:00+00')`);
}
