import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { migratingDataSource } from '../../src/platform/database/data-source.js';
import { schemaSnapshot } from '../support/schema-snapshot.js';
import {
  createEmptyDatabase,
  createTestDatabase,
  type MigrationClass,
  migrationClasses,
  type TestDatabase,
} from '../support/test-database.js';

const SOURCES = join(import.meta.dirname, '../../src');

describe('the schema', () => {
  let database: TestDatabase;

  afterEach(() => database.drop());

  it('goes up, each migration down and up again, all the way down, and up to the same', async () => {
    database = await createEmptyDatabase();
    const dataSource = await migratingDataSource(database.url, migrationClasses() as never).initialize();
    try {
      const empty = await schemaSnapshot(database);
      await dataSource.runMigrations();
      const full = await schemaSnapshot(database);
      expect(full.length).toBeGreaterThan(50);

      for (const _ of migrationClasses()) {
        const before = await schemaSnapshot(database);
        await dataSource.undoLastMigration();
        const undone = await schemaSnapshot(database);
        expect(undone).not.toEqual(before);
        const { query } = database;
        const [{ count } = { count: '' }] = await query<{ count: string }>('SELECT count(*) FROM schema_migrations');
        await runNext(Number(count));
        expect(await schemaSnapshot(database)).toEqual(before);
        await dataSource.undoLastMigration();
      }
      expect(await schemaSnapshot(database)).toEqual(empty);

      await dataSource.runMigrations();
      expect(await schemaSnapshot(database)).toEqual(full);
    } finally {
      await dataSource.destroy();
    }
  });

  it('is what the entities say', async () => {
    database = await createTestDatabase();
    const entities = entityClasses();
    expect(entities.length).toBeGreaterThan(2);
    const dataSource = await new DataSource({ type: 'postgres', url: database.url, entities }).initialize();
    try {
      const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
      expect(upQueries.map(({ query }) => query)).toEqual([]);
      expect(await tablesWithoutEntity(dataSource)).toEqual(['schema_migrations']);

      await database.query('ALTER TABLE clients ADD COLUMN forgotten int');
      const { upQueries: difference } = await dataSource.driver.createSchemaBuilder().log();
      expect(difference.map(({ query }) => query)).toEqual(['ALTER TABLE "clients" DROP COLUMN "forgotten"']);
    } finally {
      await dataSource.destroy();
    }
  });

  /** Runs the migration that stands at this place in the list, and no later one. */
  async function runNext(position: number): Promise<void> {
    const known = migrationClasses().slice(0, position + 1);
    const dataSource = await migratingDataSource(database.url, known as never).initialize();
    await dataSource.runMigrations().finally(() => dataSource.destroy());
  }
});

function entityClasses(): MigrationClass[] {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.entity.ts'),
  );
  return files.flatMap((file) => {
    const exported: Record<string, unknown> = require(join(SOURCES, file));
    return Object.values(exported).filter((value): value is MigrationClass => typeof value === 'function');
  });
}

/** Partitions are their table's, and not counted. */
async function tablesWithoutEntity(dataSource: DataSource): Promise<string[]> {
  const rows: { relname: string }[] = await dataSource.query(
    `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
     AND NOT relispartition ORDER BY relname`,
  );
  const described = new Set(dataSource.entityMetadatas.map(({ tableName }) => tableName));
  return rows.map(({ relname }) => relname).filter((name) => !described.has(name));
}
