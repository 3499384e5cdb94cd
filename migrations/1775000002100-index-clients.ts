import type { MigrationInterface, QueryRunner } from 'typeorm';

const CLIENTS_A_BATCH = 5_000;
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * What a list of a million clients is found by. A filter that narrows has an index in the order of the list, so that a
 * page is read and not sorted; a search goes by the trigrams of the name (`pg_trgm`, which comes with PostgreSQL and may
 * be installed by whoever may create in the database). It takes new names at once: a search would have to read a list of
 * pending ones whole.
 */
const INDEXES = [
  ['status', 'btree (status, created_at, client_id)'],
  ['tier', 'btree (tier, created_at, client_id)'],
  ['environment', 'btree (environment, created_at, client_id)'],
  ['ends_at', 'btree (ends_at, client_id) WHERE ends_at IS NOT NULL'],
  ['last_used_at', 'btree (last_used_at, client_id)'],
  ['name_trigrams', 'gin (lower(name COLLATE "default") gin_trgm_ops) WITH (fastupdate = off)'],
] as const;

/**
 * Fills the noted columns and builds the indexes while the table is in use. It can be run again after it broke off
 * anywhere.
 */
export class IndexClients1775000002100 implements MigrationInterface {
  readonly name = 'IndexClients1775000002100';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await createTrigrams(runner);
    await fillNoted(runner);
    for (const [name, definition] of INDEXES) {
      await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS clients_${name}_idx`);
      await runner.query(`CREATE INDEX CONCURRENTLY clients_${name}_idx ON clients USING ${definition}`);
    }
    await runner.query('ANALYZE clients');
  }

  /** The extension stays where something else has come to use it, or where it is not ours to drop. */
  async down(runner: QueryRunner): Promise<void> {
    for (const [name] of INDEXES) await runner.query(`DROP INDEX IF EXISTS clients_${name}_idx`);
    await runner.query(`
      DO $$ BEGIN
        DROP EXTENSION IF EXISTS pg_trgm;
      EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
      END $$`);
  }
}

async function createTrigrams(runner: QueryRunner): Promise<void> {
  try {
    await runner.query('CREATE EXTENSION IF NOT EXISTS pg_trgm');
  } catch (error) {
    const refused = error instanceof Error && Reflect.get(error, 'code') === INSUFFICIENT_PRIVILEGE;
    throw new Error(
      refused
        ? 'The extension pg_trgm is needed, and this role may not install it. Let an administrator of the database run "CREATE EXTENSION pg_trgm" and migrate again.'
        : 'The extension pg_trgm is needed, and this PostgreSQL does not have it. Install the contrib modules of your PostgreSQL and migrate again.',
    );
  }
}

/** Batch by batch, each a transaction of its own: nobody who changes a client waits for more than one. */
async function fillNoted(runner: QueryRunner): Promise<void> {
  let after = '';
  for (;;) {
    const last = await lastOfBatch(runner, after);
    if (last === null) return;
    await runner.query(
      `UPDATE clients SET last_used_at = greatest(clients.last_used_at, known.last_used_at), ends_at = known.ends_at
       FROM (SELECT client.client_id, max(secret.last_used_at) AS last_used_at,
                    nullif(least(client.expires_at, max(coalesce(secret.expires_at, 'infinity'))), 'infinity') AS ends_at
             FROM clients AS client LEFT JOIN client_secrets AS secret USING (client_id)
             WHERE client.client_id > $1 AND client.client_id <= $2 GROUP BY client.client_id) AS known
       WHERE clients.client_id = known.client_id
         AND (clients.last_used_at, clients.ends_at) IS DISTINCT FROM (known.last_used_at, known.ends_at)`,
      [after, last],
    );
    after = last;
  }
}

async function lastOfBatch(runner: QueryRunner, after: string): Promise<string | null> {
  const [row] = await runner.query(
    `SELECT max(client_id) AS last
     FROM (SELECT client_id FROM clients WHERE client_id > $1 ORDER BY client_id LIMIT ${CLIENTS_A_BATCH}) AS batch`,
    [after],
  );
  return row.last;
}
