import type { DataSource } from 'typeorm';
import { migratingDataSource } from '../../src/platform/database/data-source.js';
import { migrationClasses } from './test-database.js';

/** Runs the migrations up to and with the class whose name begins with `prefix`. */
export async function migrateUpTo(url: string, prefix: string): Promise<void> {
  const classes = migrationClasses();
  const wanted = classes.slice(0, classes.findIndex(({ name }) => name.startsWith(prefix)) + 1);
  await withDataSource(url, wanted, async (dataSource) => {
    await dataSource.runMigrations();
  });
}

/** Runs all migrations that are left. */
export async function migrateToLast(url: string): Promise<void> {
  await withDataSource(url, migrationClasses(), async (dataSource) => {
    await dataSource.runMigrations();
  });
}

/** Reverts the migrations that ran after the one whose name begins with `prefix`, newest first. */
export async function revertDownTo(url: string, prefix: string): Promise<void> {
  await withDataSource(url, migrationClasses(), async (dataSource) => {
    const ran: { name: string }[] = await dataSource.query('SELECT name FROM schema_migrations ORDER BY id DESC');
    const after = ran.findIndex(({ name }) => name.startsWith(prefix));
    for (let n = 0; n < after; n++) await dataSource.undoLastMigration();
  });
}

async function withDataSource(
  url: string,
  classes: ReturnType<typeof migrationClasses>,
  work: (dataSource: DataSource) => Promise<void>,
): Promise<void> {
  const dataSource = migratingDataSource(url, classes as never);
  await dataSource.initialize();
  try {
    await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}
