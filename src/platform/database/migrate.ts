import { migratingDataSource } from './data-source.js';

/** Any number that every release shares: two processes that migrate at once take turns. */
const MIGRATION_LOCK = 7_410_001;

/**
 * Brings the schema up to date and gives the names of the migrations that ran, oldest first. Safe to call from several
 * processes at once: one migrates, the others wait and find nothing to do.
 *
 * @throws what PostgreSQL throws when it is away or a migration fails; what was finished stays.
 */
export async function migrate(url: string): Promise<string[]> {
  const dataSource = migratingDataSource(url);
  await dataSource.initialize();
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await dataSource.runMigrations();
    return applied.map(({ name }) => name);
  } finally {
    await lock.release();
    await dataSource.destroy();
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
