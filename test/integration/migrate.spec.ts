import { migrate } from '../../src/platform/database/migrate.js';
import { createEmptyDatabase, migrationClasses } from '../support/test-database.js';

describe('migrate', () => {
  it('runs each migration once when several processes start at the same time', async () => {
    const database = await createEmptyDatabase();
    const classes = migrationClasses() as never;
    const applied = await Promise.all([1, 2, 3].map(() => migrate(database.url, classes)));
    const names = migrationClasses().map(({ name }) => name);
    expect(applied.flat()).toEqual(names);
    const recorded = await database.query<{ name: string }>('SELECT name FROM schema_migrations ORDER BY id');
    expect(recorded.map(({ name }) => name)).toEqual(names);
    await database.drop();
  });
});
