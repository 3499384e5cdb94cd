import type { ReadDatabase } from '../../../platform/database/read-database.js';
import { type AuditLogQuery, AuditLogsRepository } from './audit-logs.repository.js';

const QUERY: AuditLogQuery = { limit: 2, sort: 'created_at', descending: true, after: null, filters: {} };

/** A database that answers the first statement, and fails at the second. */
function failing(error: unknown) {
  const manager = {
    query: async (sql: string) => {
      if (!sql.startsWith('SET LOCAL')) throw error;
    },
  };
  const source = { transaction: (work: (each: typeof manager) => unknown) => work(manager) };
  return { run: (work: (each: typeof source) => unknown) => work(source) } as unknown as ReadDatabase;
}

it('says what to do when the search takes too long', async () => {
  const canceled = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
  await expect(new AuditLogsRepository(failing(canceled)).list(QUERY)).rejects.toMatchObject({
    code: 'service_unavailable',
    message: expect.stringContaining('Narrow it'),
  });
});

it.each([new Error('away'), Object.assign(new Error('no such table'), { code: '42P01' }), 'thrown'])(
  'passes on what else PostgreSQL says: %s',
  async (error) => {
    await expect(new AuditLogsRepository(failing(error)).list(QUERY)).rejects.toBe(error);
  },
);
