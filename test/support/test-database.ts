import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { migratingDataSource } from '../../src/platform/database/data-source.js';

const MIGRATIONS = join(import.meta.dirname, '../../migrations');
const TEMPLATE = 'core_nest_template';
const TEMPLATE_LOCK = 7_411;

export type MigrationClass = new () => unknown;

/** A database of its own on the run's PostgreSQL. */
export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  /** Runs one statement on a connection of its own, past the code under test. */
  query<Row = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Drops the database, whoever is still connected to it. */
  drop(): Promise<void>;
}

/** A fresh, fully migrated database; call it in `beforeAll` and `drop()` it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  await ensureTemplate();
  return createDatabase(TEMPLATE);
}

/** A fresh database with nothing in it, for tests of the migrations themselves. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return createDatabase('template0');
}

/** The migration classes of the top-level folder, oldest first. */
export function migrationClasses(): MigrationClass[] {
  if (!existsSync(MIGRATIONS)) return [];
  const files = readdirSync(MIGRATIONS).filter((file) => file.endsWith('.ts'));
  return files.sort().flatMap((file) => {
    const exported: Record<string, unknown> = require(join(MIGRATIONS, file));
    return Object.values(exported).filter(isMigration);
  });
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onServer(serverUrl(), `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = databaseUrl(name);
  return {
    name,
    url,
    query: (sql, values) => onServer(url, sql, values),
    drop: async () => {
      await onServer(serverUrl(), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

/** Makes the migrated template once per run, whichever worker comes first. */
async function ensureTemplate(): Promise<void> {
  const client = new Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [TEMPLATE]);
    if (found.rowCount) return;
    const unfinished = `${TEMPLATE}_unfinished`;
    await client.query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${unfinished} TEMPLATE template0`);
    await migrate(databaseUrl(unfinished));
    await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${TEMPLATE}`);
  } finally {
    await client.end();
  }
}

async function migrate(url: string): Promise<void> {
  const dataSource = migratingDataSource(url, migrationClasses());
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
  } finally {
    await dataSource.destroy();
  }
}

async function onServer<Row>(url: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}

function serverUrl(): string {
  const url = process.env.TEST_POSTGRES_URL;
  if (!url) throw new Error('TEST_POSTGRES_URL is missing: this test belongs in test/integration, e2e or security.');
  return url;
}

function databaseUrl(name: string): string {
  const url = new URL(serverUrl());
  url.pathname = `/${name}`;
  return url.href;
}

function isMigration(value: unknown): value is MigrationClass {
  return typeof value === 'function' && typeof value.prototype?.up === 'function';
}
