import { randomBytes } from 'node:crypto';
import { withClient } from '../../src/platform/database/account.js';
import { migratingDataSource } from '../../src/platform/database/data-source.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { AUDIT_OWNER, separateAuditLog } from '../../src/records/audit/owner/audit-owner.repository.js';
import { startApp } from '../support/app.js';
import { startPostgres } from '../support/postgres-server.js';
import { createEmptyDatabase, migrationClasses, type TestDatabase } from '../support/test-database.js';

interface Account {
  readonly name: string;
  /** The database of the test, by this account. */
  readonly url: string;
}

const CLASSES = migrationClasses() as never;
const ADD = `INSERT INTO audit_logs (action, actor_type, subject_type, outcome) VALUES ('client.revoke', 'system', 'client', 'succeeded')`;
const PRIVILEGE = { code: '42501' };

let postgres: Awaited<ReturnType<typeof startPostgres>>;
const shared = process.env.TEST_POSTGRES_URL;

/** A server of its own: roles are shared by all databases of one, and others may sign in. */
beforeAll(async () => {
  postgres = await startPostgres();
  process.env.TEST_POSTGRES_URL = postgres.url;
  const [{ hba_file: file }] = await onServer('SHOW hba_file');
  await onServer(`COPY (SELECT 'host all all 127.0.0.1/32 scram-sha-256') TO '${file}'`);
  await onServer('SELECT pg_reload_conf()');
});
afterAll(async () => {
  process.env.TEST_POSTGRES_URL = shared;
  await postgres.stop();
});

const as = (url: string, sql: string) => withClient(url, async (client) => (await client.query(sql)).rows);
/** Roles outlive the databases of tests. */
const onServer = (sql: string) => as(process.env.TEST_POSTGRES_URL ?? '', sql);

async function createAccount(database: TestDatabase, rights = ''): Promise<Account> {
  const name = `core nest ${randomBytes(6).toString('hex')}`;
  await onServer(`CREATE ROLE "${name}" LOGIN PASSWORD 'secret' NOSUPERUSER ${rights}`);
  const url = new URL(database.url);
  url.username = encodeURIComponent(name);
  url.password = 'secret';
  return { name, url: url.href };
}

/** As the guide has it: the service's account may create in the schema, and owns neither that nor the database. */
async function createServiceAccount(database: TestDatabase): Promise<Account> {
  const service = await createAccount(database);
  await database.query('CREATE EXTENSION IF NOT EXISTS pg_trgm');
  await database.query(`GRANT CREATE, USAGE ON SCHEMA public TO "${service.name}"`);
  return service;
}

/** The database goes first: an account that owns something cannot be dropped. */
async function clear(database: TestDatabase, ...accounts: readonly Account[]): Promise<void> {
  await database.drop();
  for (const { name } of accounts) await onServer(`DROP ROLE "${name}"`);
}

describe('the account that serves, where the audit log has an owner of its own', () => {
  let database: TestDatabase;
  let service: Account;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    service = await createServiceAccount(database);
    await migrate(service.url, CLASSES, database.url);
    expect(await separateAuditLog(service.url, database.url)).toBe('separate');
    await as(service.url, ADD);
  }, 60_000);
  afterAll(() => clear(database, service));

  it('may add rows and read them', async () => {
    await as(service.url, ADD);
    const rows = await as(service.url, 'SELECT id, action FROM audit_logs ORDER BY id DESC');
    expect(rows.length).toBeGreaterThan(1);
    expect(rows[0]).toMatchObject({ action: 'client.revoke' });
  });

  it.each([
    "UPDATE audit_logs SET outcome = 'refused'",
    'DELETE FROM audit_logs',
    'TRUNCATE audit_logs',
    'ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_insert_only',
    'ALTER TABLE audit_logs DISABLE TRIGGER ALL',
    'DROP TRIGGER audit_logs_insert_only ON audit_logs',
    `CREATE OR REPLACE FUNCTION audit_logs_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    'CREATE RULE nothing AS ON INSERT TO audit_logs DO INSTEAD NOTHING',
    'ALTER TABLE audit_logs ADD COLUMN note text',
    'ALTER TABLE audit_logs RENAME TO audit_logs_old',
    'DROP TABLE audit_logs',
    'DROP SCHEMA public CASCADE',
    'ALTER TABLE audit_logs OWNER TO CURRENT_USER',
    `GRANT ${AUDIT_OWNER} TO CURRENT_USER`,
    `SET ROLE ${AUDIT_OWNER}`,
    'SET session_replication_role = replica',
    `SELECT setval('audit_logs_id_seq', 1)`,
    'BEGIN; LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE',
  ])('may not %s', async (sql) => {
    const before = await as(service.url, 'SELECT * FROM audit_logs ORDER BY audit_logs.id');
    await expect(as(service.url, sql)).rejects.toMatchObject(PRIVILEGE);
    expect(await as(service.url, 'SELECT * FROM audit_logs ORDER BY audit_logs.id')).toEqual(before);
  });

  it('is refused by privilege, and by the trigger as soon as somebody gives it the privilege', async () => {
    const changes = ["UPDATE audit_logs SET outcome = ''", 'DELETE FROM audit_logs', 'TRUNCATE audit_logs'];
    for (const sql of changes)
      await expect(as(service.url, sql)).rejects.toThrow('permission denied for table audit_logs');
    await database.query(`GRANT ALL ON audit_logs TO "${service.name}"`);
    for (const sql of changes) await expect(as(service.url, sql)).rejects.toThrow('audit_logs is insert-only');
    await database.query(`REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON audit_logs FROM "${service.name}"`);
  });

  it('serves, keeps its other tables and makes the days of the API log', async () => {
    const core = await startApp({ database: { ...database, url: service.url }, redis: null });
    try {
      const admin = await core.createClient({ scopes: ['admin'] });
      const made = await fetch(`${core.url}/api/v1/clients`, {
        method: 'POST',
        headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'billing' }),
      });
      expect(made.status).toBe(201);
      const { client_id: id } = (await made.json()) as { client_id: string };
      const rows = await database.query('SELECT action FROM audit_logs WHERE subject_id = $1', [id]);
      expect(rows).toEqual([{ action: 'client.create' }]);
    } finally {
      await core.stop();
    }
    await as(
      service.url,
      "CREATE TABLE api_logs_2001 PARTITION OF api_logs FOR VALUES FROM (MINVALUE) TO ('2001-01-01')",
    );
  }, 30_000);

  it('is migrated again by the other account, down and up, and stays what it is', async () => {
    const source = await migratingDataSource(database.url, CLASSES, service.name).initialize();
    try {
      const known: { name: string }[] = await source.query('SELECT name FROM schema_migrations ORDER BY id DESC');
      const steps = known.findIndex(({ name }) => name.startsWith('ExtendAuditLogs')) + 1;
      for (let n = 0; n < steps; n++) await source.undoLastMigration();
    } finally {
      await source.destroy();
    }
    await migrate(service.url, CLASSES, database.url);
    expect(await separateAuditLog(service.url, database.url)).toBe('separate');
    const [row] = await database.query(
      `SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = 'audit_logs_action_idx'`,
    );
    expect(row).toEqual({ owner: AUDIT_OWNER });
  }, 60_000);
});

describe('separateAuditLog', () => {
  let database: TestDatabase;
  let accounts: Account[];

  beforeEach(async () => {
    database = await createEmptyDatabase();
    accounts = [];
  });
  afterEach(() => clear(database, ...accounts));

  async function create(rights = ''): Promise<Account> {
    const account = await createAccount(database, rights);
    accounts.push(account);
    return account;
  }

  async function createOwner(rights = ''): Promise<Account> {
    const owner = await create(rights);
    await onServer(`ALTER DATABASE ${database.name} OWNER TO "${owner.name}"`);
    return owner;
  }

  const ownerOf = async (table: string) =>
    (await database.query(`SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = $1`, [table]))[0]
      ?.owner;

  it('leaves a superuser as it is', async () => {
    await migrate(database.url, CLASSES);
    expect(await separateAuditLog(database.url)).toBe('superuser');
    expect(await ownerOf('audit_logs')).toBe(await ownerOf('clients'));
  });

  it('leaves an ordinary owner as it is, which may not make roles', async () => {
    const owner = await createOwner();
    await migrate(owner.url, CLASSES);
    expect(await separateAuditLog(owner.url)).toBe('owner');
    expect(await ownerOf('audit_logs')).toBe(owner.name);
    await as(owner.url, ADD);
    await expect(as(owner.url, 'DELETE FROM audit_logs')).rejects.toThrow('insert-only');
  });

  it('closes the log to an owner that may make roles, unless it says that it acts as another', async () => {
    const owner = await createOwner('CREATEROLE');
    await onServer(`DROP ROLE IF EXISTS ${AUDIT_OWNER}`);
    await migrate(owner.url, CLASSES);
    expect(await separateAuditLog(owner.url)).toBe('grantable');
    expect(await separateAuditLog(owner.url)).toBe('grantable');
    await as(owner.url, ADD);
    await expect(as(owner.url, 'DELETE FROM audit_logs')).rejects.toThrow('permission denied');
    await expect(as(owner.url, 'ALTER TABLE audit_logs DISABLE TRIGGER ALL')).rejects.toMatchObject(PRIVILEGE);
  });

  it('separates by an account that may make roles and acts for the one that serves', async () => {
    const service = await createServiceAccount(database);
    accounts.push(service);
    const admin = await createOwner('CREATEROLE');
    await onServer(`GRANT "${service.name}" TO "${admin.name}"`);
    await onServer(`DROP ROLE IF EXISTS ${AUDIT_OWNER}`);
    await migrate(service.url, CLASSES, admin.url);
    expect(await separateAuditLog(service.url, admin.url)).toBe('separate');
    expect(await ownerOf('audit_logs')).toBe(AUDIT_OWNER);
    expect(await ownerOf('api_logs')).toBe(service.name);
    await expect(as(service.url, `SET ROLE ${AUDIT_OWNER}`)).rejects.toMatchObject(PRIVILEGE);
  });

  it('separates later what an ordinary account has begun, and says that it could still drop the table', async () => {
    const owner = await createOwner();
    await migrate(owner.url, CLASSES);
    await as(owner.url, ADD);
    await migrate(owner.url, CLASSES, database.url);
    expect(await separateAuditLog(owner.url, database.url)).toBe('droppable');
    await onServer(`ALTER DATABASE ${database.name} OWNER TO CURRENT_USER`);
    await database.query(`GRANT CREATE, USAGE ON SCHEMA public TO "${owner.name}"`);
    expect(await separateAuditLog(owner.url)).toBe('separate');
    expect(await as(owner.url, 'SELECT action FROM audit_logs')).toEqual([{ action: 'client.revoke' }]);
  });

  it('hands nothing to a role that somebody can sign in as', async () => {
    const service = await createServiceAccount(database);
    accounts.push(service);
    await migrate(service.url, CLASSES, database.url);
    await onServer(
      `DO $$ BEGIN CREATE ROLE ${AUDIT_OWNER}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
       ALTER ROLE ${AUDIT_OWNER} LOGIN`,
    );
    try {
      expect(await separateAuditLog(service.url, database.url)).toBe('owner');
    } finally {
      await onServer(`ALTER ROLE ${AUDIT_OWNER} NOLOGIN`);
    }
    expect(await ownerOf('audit_logs')).toBe(service.name);
  });

  it('waits for the lock on the table in short tries', async () => {
    const service = await createServiceAccount(database);
    accounts.push(service);
    await migrate(service.url, CLASSES, database.url);
    let separated: Promise<unknown> = Promise.resolve();
    await withClient(service.url, async (client) => {
      await client.query('BEGIN');
      await client.query(ADD);
      separated = separateAuditLog(service.url, database.url);
      // Another writer gets through between two tries.
      for (let n = 0; n < 20; n++) await as(service.url, ADD);
      await client.query('COMMIT');
    });
    expect(await separated).toBe('separate');
  });
});
