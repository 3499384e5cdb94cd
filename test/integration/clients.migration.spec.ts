import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { migrateUpTo } from '../support/migrate-to.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';

/** The release before registered no replicas. */
const BEFORE = 'PartitionApiLogs';
const AFTER = 'IndexClients';

describe('the migrations of clients', () => {
  let database: TestDatabase;
  let writer: Client;

  beforeEach(async () => {
    database = await createEmptyDatabase();
    await migrateUpTo(database.url, BEFORE);
    await database.query(`
      INSERT INTO clients (client_id, name, environment, tier, scopes, status)
      SELECT 'client ' || n, 'name', 'live', 'paid', '{}', 'active' FROM generate_series(1, 2) AS n`);
    writer = new Client({ connectionString: database.url });
    await writer.connect();
  });
  afterEach(async () => {
    await writer.end();
    await database.drop();
  });

  it('hold up nobody who changes a client, whoever else is in the middle of changing one', async () => {
    await writer.query('BEGIN');
    await writer.query(`UPDATE clients SET tier = 'free' WHERE client_id = 'client 1'`);
    const migrating = migrateUpTo(database.url, AFTER);
    await eventually(async () => {
      const waiting = await database.query(`
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
      return waiting.length > 0;
    });
    await database.query(`SET statement_timeout = '2s'; UPDATE clients SET tier = 'free' WHERE client_id = 'client 2'`);
    await writer.query('COMMIT');
    await migrating;
    expect(await database.query(`SELECT 1 FROM clients WHERE tier = 'free'`)).toHaveLength(2);
  }, 60_000);

  it('can be run again where one was done and not noted', async () => {
    await migrateUpTo(database.url, AFTER);
    await database.query(`
      DELETE FROM schema_migrations WHERE name ~ 'CreateReplicas|AddSecretLife|ExtendClients|IndexClients'`);
    await expect(migrateUpTo(database.url, AFTER)).resolves.toBeUndefined();
  }, 60_000);
});
