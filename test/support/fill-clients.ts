import { migrateToLast, migrateUpTo } from './migrate-to.js';
import { createEmptyDatabase, type TestDatabase } from './test-database.js';

/** The last migration before the indexes of the list: what is filled first is indexed at once. */
const BEFORE_INDEXES = 'ExtendClients';

/**
 * A database with so many clients of two years, each with a secret, made by SQL and then migrated, as an installation of
 * the release before would be. One in a hundred has still to be looked at by the migration.
 */
export async function databaseOfClients(count: number): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  await migrateUpTo(database.url, BEFORE_INDEXES);
  await database.query(`
    ALTER TABLE clients DISABLE TRIGGER USER;
    ALTER TABLE client_secrets DISABLE TRIGGER USER;
    INSERT INTO clients (client_id, name, environment, tier, scopes, status, expires_at, ends_at, last_used_at, version, created_at)
    SELECT 'cn_live_' || lpad(to_hex(n), 12, '0'),
           (ARRAY['Customer', 'billing service', 'Mobile App', 'partner', 'internal tool'])[1 + n % 5] || ' ' || left(md5(n::text), 10),
           CASE WHEN n % 50 = 0 THEN 'test' ELSE 'live' END,
           CASE WHEN n % 1000 = 7 THEN 'gold' WHEN n % 20 = 0 THEN 'free' ELSE 'paid' END,
           '{llm:invoke}',
           CASE WHEN n % 1000 = 0 THEN 'disabled' ELSE 'active' END,
           ends, CASE WHEN n % 100 > 0 THEN ends END, CASE WHEN n % 100 > 0 THEN used END, n, now() - n * interval '63 seconds'
    FROM (SELECT n, CASE WHEN n % 10 = 0 THEN now() + (n % 36500) * interval '1 hour' END AS ends,
                 CASE WHEN n % 7 > 0 THEN now() - ((n::bigint * 7919) % 100000) * interval '1 minute' END AS used
          FROM generate_series(1, ${count}) AS n) AS made;
    INSERT INTO client_secrets (id, client_id, hashed_secret, hint, last_used_at)
    SELECT 'sec_' || n, 'cn_live_' || lpad(to_hex(n), 12, '0'), '$2b$10$' || repeat('x', 53), 'ab12',
           CASE WHEN n % 7 > 0 THEN now() - ((n::bigint * 7919) % 100000) * interval '1 minute' END
    FROM generate_series(1, ${count}) AS n;
    ALTER TABLE clients ENABLE TRIGGER USER;
    ALTER TABLE client_secrets ENABLE TRIGGER USER;`);
  await migrateToLast(database.url);
  await database.query('VACUUM ANALYZE clients');
  await database.query('VACUUM ANALYZE client_secrets');
  return database;
}
