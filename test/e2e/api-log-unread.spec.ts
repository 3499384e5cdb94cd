import { Client } from 'pg';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type InsertedClient, insertClient, wrongKeyOf } from '../support/insert-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const REQUESTS = 200;

interface Use {
  /** How often the log, its partitions and their indexes were read, and how many rows of them. */
  readonly scans: number;
  readonly read: number;
  /** Rows put there. */
  readonly inserted: number;
}

let database: TestDatabase;
let job: Client;
let caller: InsertedClient;
let reader: InsertedClient;

beforeAll(async () => {
  database = await createTestDatabase();
  caller = await insertClient(database);
  reader = await insertClient(database, { scopes: ['logs:read'] });
  // The job that makes the hours reads the log, in its own time: here somebody else seems to be doing it.
  job = new Client({ connectionString: database.url });
  await job.connect();
  await job.query(`SELECT pg_advisory_lock(hashtextextended('core-nest:api-log-aggregation', 0))`);
});
afterAll(async () => {
  await job?.end();
  await database?.drop();
});

/** How the log was used by an application that was started, did this, and stopped: its sessions tell when they end. */
async function useBy(work: (core: TestApp) => Promise<unknown>): Promise<Use> {
  const before = await useSoFar();
  const core = await startApp({ database });
  try {
    await work(core);
  } finally {
    await core.stop();
  }
  await eventually(async () => {
    const sessions = await database.query(`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'core-nest'`);
    return sessions.length === 0;
  });
  const after = await useSoFar();
  return {
    scans: after.scans - before.scans,
    read: after.read - before.read,
    inserted: after.inserted - before.inserted,
  };
}

async function useSoFar(): Promise<Use> {
  const [use] = await database.query<{ scans: number; read: number; inserted: number }>(`
    SELECT sum(seq_scan + coalesce(idx_scan, 0))::int AS scans,
           sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS read, sum(n_tup_ins)::int AS inserted
    FROM pg_stat_user_tables WHERE relname ~ '^api_logs(_[0-9_]+)?$'`);
  if (use === undefined) throw new Error('No statistics of api_logs.');
  return use;
}

const call = (core: TestApp, path: string, key: string, init: RequestInit = {}) =>
  fetch(`${core.url}${path}`, { ...init, headers: { 'x-api-key': key, ...init.headers } });

it(`is not read by ${REQUESTS} requests of every kind, whose rows are written`, async () => {
  const chat = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"core-nest/echo","messages":[{"role":"user","content":"hello"}]}',
  };
  const use = await useBy(async (core) => {
    for (let n = 0; n < REQUESTS / 5; n++) {
      const answers = await Promise.all([
        call(core, '/api/v1/whoami', caller.apiKey),
        call(core, '/v1/chat/completions', caller.apiKey, chat),
        call(core, '/api/v1/whoami', n < 5 ? wrongKeyOf(caller.clientId) : 'malformed'),
        call(core, '/api/v1/clients', caller.apiKey),
        call(core, '/nowhere', caller.apiKey),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 403, 404]);
    }
  });
  expect(use).toEqual({ scans: 0, read: 0, inserted: REQUESTS });
}, 60_000);

it('is read by whoever lists it, so that reading would have shown', async () => {
  const use = await useBy(async (core) => {
    expect((await call(core, '/api/v1/api-logs', reader.apiKey)).status).toBe(200);
  });
  expect(use.scans).toBeGreaterThan(0);
  expect(use.read).toBeGreaterThan(50);
}, 60_000);

it('is not read by whoever lists the hours', async () => {
  const use = await useBy(async (core) => {
    const answer = await call(core, `/api/v1/api-logs/rollups?client_id=${caller.clientId}`, reader.apiKey);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ data: [], has_more: false });
  });
  expect(use).toEqual({ scans: 0, read: 0, inserted: 1 });
}, 60_000);
