import type { MigrationInterface, QueryRunner } from 'typeorm';
import { removeTraces } from './support/remove-traces.js';
import { aloneOnApiLogs, inShortLock, retryLocked, shortTransaction } from './support/short-lock.js';
import { copyOwnerAndGrants } from './support/table-rights.js';

const BLOCKS_A_BATCH = 2_000;
const CHANGES_A_ROUND = 2_000;

/**
 * Drops `auth_headers`, which held live credentials, and every trace of its values.
 *
 * `DROP COLUMN` leaves the values in the rows, and so does any update, so the rows are copied without it into a new
 * table: in batches, while the old one is read and written as before. A trigger notes the ids that change meanwhile; the
 * last of them are carried over while the two tables change names, under a lock that is waited for a quarter of a second
 * at a time. A reader waits for that, and for no more.
 *
 * It can be run again after it broke off anywhere: what is not swapped is begun anew, what is swapped is not copied
 * again.
 */
export class DropApiLogAuthHeaders1770000000000 implements MigrationInterface {
  name = 'DropApiLogAuthHeaders1770000000000';
  transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await aloneOnApiLogs(runner, async () => {
      const neverUsed = await isNeverUsed(runner);
      if (await holdsHeaders(runner)) {
        const columns = await prepare(runner);
        await copyAll(runner, columns);
        await runner.query('CREATE INDEX api_logs_rewrite_created_at_idx ON api_logs_rewrite (created_at)');
        await runner.query('CREATE INDEX api_logs_rewrite_client_id_idx ON api_logs_rewrite (client_id)');
        await runner.query('ANALYZE api_logs_rewrite');
        await swap(runner, columns);
      }
      if (!neverUsed) await removeTraces(runner);
    });
  }

  /** Brings the column back empty: the values are gone for good. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api_logs ADD COLUMN auth_headers jsonb');
  }
}

/** A new installation, whose table was made a moment ago: there is nothing to look for in the server's files. */
async function isNeverUsed(runner: QueryRunner): Promise<boolean> {
  const [{ unused }] = await runner.query(`
    SELECT pg_relation_size('api_logs') = 0 AND pg_stat_get_tuples_inserted('api_logs'::regclass) = 0 AS unused`);
  return unused === true;
}

/** A column dropped by hand counts: its values are still in the rows. */
async function holdsHeaders(runner: QueryRunner): Promise<boolean> {
  const found = await runner.query(`
    SELECT 1 FROM pg_attribute
    WHERE attrelid = 'api_logs'::regclass AND attnum > 0 AND (attname = 'auth_headers' OR attisdropped)`);
  return found.length > 0;
}

/** Makes the new table and the trigger; answers the columns to copy, as SQL. */
async function prepare(runner: QueryRunner): Promise<string> {
  const [{ definitions, names, id }] = await runner.query(`
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names,
           string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
             'DEFAULT ' || pg_get_expr(adbin, adrelid), CASE WHEN attnotnull THEN 'NOT NULL' END), ', ' ORDER BY attnum) AS definitions,
           max(format_type(atttypid, atttypmod)) FILTER (WHERE attname = 'id') AS id
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = 'api_logs'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'auth_headers'`);

  await inShortLock(runner, 'Noting the changes of api_logs', async () => {
    await runner.query('DROP TRIGGER IF EXISTS api_logs_rewrite ON api_logs');
    await runner.query('DROP TABLE IF EXISTS api_logs_rewrite, api_logs_rewrite_changes');
    await runner.query(`CREATE TABLE api_logs_rewrite (${definitions}, PRIMARY KEY (id))`);
    await runner.query(`CREATE TABLE api_logs_rewrite_changes (id ${id} NOT NULL)`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION api_logs_rewrite_note() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
      BEGIN
        IF TG_OP <> 'INSERT' THEN INSERT INTO api_logs_rewrite_changes VALUES (OLD.id); END IF;
        IF TG_OP <> 'DELETE' THEN INSERT INTO api_logs_rewrite_changes VALUES (NEW.id); END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER api_logs_rewrite AFTER INSERT OR UPDATE OR DELETE ON api_logs
      FOR EACH ROW EXECUTE FUNCTION api_logs_rewrite_note()`);
  });
  return names;
}

/** Copies block by block: no index is needed, and a row written behind the last block was noted by the trigger. */
async function copyAll(runner: QueryRunner, columns: string): Promise<void> {
  const [{ blocks }] = await runner.query(`
    SELECT (pg_relation_size('api_logs') / current_setting('block_size')::int)::int AS blocks`);
  for (let from = 0; from < blocks; from += BLOCKS_A_BATCH)
    await runner.query(
      `INSERT INTO api_logs_rewrite (${columns})
       SELECT ${columns} FROM api_logs WHERE ctid >= $1::tid AND ctid < $2::tid ON CONFLICT (id) DO NOTHING`,
      [`(${from},0)`, `(${from + BLOCKS_A_BATCH},0)`],
    );
}

/**
 * Carries noted changes over; true when that was the last of them. The rows are read after their notes were taken, so a
 * change that is missed here has a note of its own still to come.
 */
async function carryChanges(runner: QueryRunner, columns: string): Promise<boolean> {
  const [noted] = await runner.query(`
    DELETE FROM api_logs_rewrite_changes
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM api_logs_rewrite_changes LIMIT ${CHANGES_A_ROUND})) RETURNING id`);
  const ids = noted.map(({ id }: { id: unknown }) => id);
  await runner.query('DELETE FROM api_logs_rewrite WHERE id = ANY ($1)', [ids]);
  await runner.query(
    `INSERT INTO api_logs_rewrite (${columns}) SELECT ${columns} FROM api_logs WHERE id = ANY ($1)
     ON CONFLICT (id) DO NOTHING`,
    [ids],
  );
  return ids.length < CHANGES_A_ROUND;
}

async function swap(runner: QueryRunner, columns: string): Promise<void> {
  await retryLocked('Swapping api_logs', async () => {
    while (!(await carryChanges(runner, columns)));
    await shortTransaction(runner, async () => {
      await runner.query('LOCK TABLE api_logs IN ACCESS EXCLUSIVE MODE');
      while (!(await carryChanges(runner, columns)));
      await copyOwnerAndGrants(runner, 'api_logs', 'api_logs_rewrite');
      await runner.query('DROP TABLE api_logs, api_logs_rewrite_changes');
      await runner.query('DROP FUNCTION api_logs_rewrite_note()');
      await runner.query('ALTER TABLE api_logs_rewrite RENAME TO api_logs');
      for (const index of ['pkey', 'created_at_idx', 'client_id_idx'])
        await runner.query(`ALTER INDEX api_logs_rewrite_${index} RENAME TO api_logs_${index}`);
    });
  });
}
