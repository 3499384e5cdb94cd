import { setTimeout as delay } from 'node:timers/promises';
import type { DataSourceOptions, QueryRunner } from 'typeorm';
import { accountOf } from './account.js';
import { migratingDataSource } from './data-source.js';

/** Any number that every release shares: two processes that migrate at once take turns. */
const MIGRATION_LOCK = 7_410_001;
const LOCK_POLL_MS = 250;

/**
 * Brings the schema up to date and gives the names of the migrations that ran, oldest first. Safe to call from several
 * processes at once: one migrates, the others wait and find nothing to do.
 *
 * @param url the account the service runs as: the tables will be its own.
 * @param migrations other than the compiled ones beside this build.
 * @param migrationUrl the account that migrates, where it is another; it has to be a member of the first.
 * @throws what PostgreSQL throws when it is away or a migration fails; what was finished stays.
 */
export async function migrate(
  url: string,
  migrations?: DataSourceOptions['migrations'],
  migrationUrl?: string,
): Promise<string[]> {
  const dataSource =
    migrationUrl === undefined
      ? migratingDataSource(url, migrations)
      : migratingDataSource(migrationUrl, migrations, await accountOf(url));
  await dataSource.initialize();
  const lock = dataSource.createQueryRunner();
  try {
    await takeTurn(lock);
    const applied = await dataSource.runMigrations();
    return applied.map(({ name }) => name);
  } finally {
    await lock.release();
    await dataSource.destroy();
  }
}

/**
 * Asks again and again instead of waiting in SQL: a statement that waits keeps a snapshot, and `CREATE INDEX
 * CONCURRENTLY` in the process whose turn it is would wait for that one in turn, for ever.
 */
async function takeTurn(lock: QueryRunner): Promise<void> {
  for (;;) {
    const [answer] = await lock.query('SELECT pg_try_advisory_lock($1) AS taken', [MIGRATION_LOCK]);
    if (answer.taken === true) return;
    await delay(LOCK_POLL_MS);
  }
}

/**
 * Whether this release has migrations that the database has not seen. @throws what PostgreSQL throws when it is away.
 */
export async function isSchemaBehind(url: string): Promise<boolean> {
  const dataSource = migratingDataSource(url);
  await dataSource.initialize();
  try {
    return await dataSource.showMigrations();
  } finally {
    await dataSource.destroy();
  }
}
