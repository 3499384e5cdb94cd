import { DataSource } from 'typeorm';
import { CALLER_KINDS, RequestRecord } from '../../src/kernel/request-record.js';
import { migratingDataSource, servingOptions } from '../../src/platform/database/data-source.js';
import { RequestObservers } from '../../src/platform/http/request-observer.js';
import { ApiLogWriter } from '../../src/records/api-log/api-log.writer.js';
import { ApiLogCopyRepository } from '../../src/records/api-log/api-log-copy.repository.js';
import { apiLogLine } from '../../src/records/api-log/api-log-line.js';
import { ApiLogNumbers } from '../../src/records/api-log/api-log-numbers.js';
import { ApiLogPartitionsRepository } from '../../src/records/api-log/api-log-partitions.repository.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { startPostgres } from '../support/postgres-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, migrationClasses, type TestDatabase } from '../support/test-database.js';

describe('ApiLogWriter on PostgreSQL', () => {
  let database: TestDatabase;
  const stops: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  beforeEach(async () => {
    await database.query('TRUNCATE api_logs');
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });
  afterAll(async () => {
    await database.drop();
  });

  async function start(url = database.url, queue = 1_000) {
    const settings = buildSettings({ DATABASE_URL: url, API_LOG_QUEUE: String(queue) });
    const pool = new DataSource(servingOptions(database.url, 3));
    await pool.initialize();
    const repository = new ApiLogCopyRepository(settings, new ApiLogPartitionsRepository(pool));
    const observers = new RequestObservers();
    const writer = new ApiLogWriter(settings, repository, observers, new ApiLogNumbers(repository));
    writer.onModuleInit();
    stops.push(async () => {
      await writer.onApplicationShutdown();
      await pool.destroy();
    });
    return { writer, repository, closed: (record: RequestRecord) => observers.closed(record) };
  }

  const buildRecord = (overrides: Partial<RequestRecord> = {}, at = Date.now()) =>
    Object.assign(new RequestRecord('req-1', 'GET', '127.0.0.1', 'none', at), overrides);

  const countRows = async () => {
    const [row] = await database.query<{ rows: number; distinct: number }>(
      'SELECT count(*)::int AS rows, count(DISTINCT request_id)::int AS distinct FROM api_logs',
    );
    return row;
  };

  it('brings every field to its column, within a second', async () => {
    const { closed } = await start();
    const full = Object.assign(new RequestRecord('req-full', 'POST', '2001:db8::1', 'openai-python', Date.now()), {
      route: '/v1beta/models/:model\\:generateContent',
      status: 503,
      latencyMs: 1234.5,
      bytesIn: 6_000_000_000,
      bytesOut: 17,
      authMethod: 'client',
      clientId: 'cn_live_abcdefghijkl',
      provider: 'openai',
      model: 'openai/gpt-4o-mini ü\t\\N 🦜',
      stream: true,
      inputTokens: 12,
      outputTokens: 0,
      errorCode: 'provider_timeout',
      userId: 'usr_0123456789abcdefghij',
    } satisfies Partial<RequestRecord>);
    closed(full);
    closed(buildRecord({ requestId: 'req-left', aborted: true, status: 200 }));
    await eventually(async () => (await countRows())?.rows === 2, 1_000);
    const rows = await database.query(
      `SELECT *, (extract(epoch FROM created_at) * 1000)::float8 AS at FROM api_logs ORDER BY request_id`,
    );
    expect(rows).toMatchObject([
      {
        at: full.startedAt,
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        request_id: 'req-full',
        method: 'POST',
        route: '/v1beta/models/:model\\:generateContent',
        status: 503,
        latency_ms: 1234.5,
        bytes_in: '6000000000',
        bytes_out: '17',
        auth_method: 'client',
        client_id: 'cn_live_abcdefghijkl',
        client_address: '2001:db8::1',
        caller_kind: 'openai-python',
        provider: 'openai',
        model: 'openai/gpt-4o-mini ü\\N 🦜',
        stream: true,
        input_tokens: 12,
        output_tokens: 0,
        error_code: 'provider_timeout',
        user_id: 'usr_0123456789abcdefghij',
      },
      { request_id: 'req-left', status: 499, client_id: null, input_tokens: null, route: null, stream: false },
    ]);
  });

  it('keeps a row of the fullest kind within 400 bytes', async () => {
    const { closed } = await start();
    closed(
      buildRecord({
        requestId: '0193c5a0-5f0e-7cc0-8000-0123456789ab',
        method: 'POST',
        address: '2001:db8:1234:5678:9abc:def0:1234:5678',
        callerKind: CALLER_KINDS.reduce((long, kind) => (kind.length > long.length ? kind : long)),
        route: '/v1beta/models/:model\\:streamGenerateContent',
        authMethod: 'client',
        clientId: 'cn_live_abcdefghijkl',
        provider: 'anthropic',
        model: 'anthropic/claude-opus-4-1-20250805',
        inputTokens: 100_000,
        outputTokens: 100_000,
        errorCode: 'provider_not_configured',
        userId: 'usr_0123456789abcdefghij',
      }),
    );
    await eventually(async () => (await countRows())?.rows === 1);
    const [row] = await database.query<{ bytes: number }>('SELECT pg_column_size(api_logs.*) AS bytes FROM api_logs');
    expect(row?.bytes).toBeGreaterThan(100);
    expect(row?.bytes).toBeLessThanOrEqual(400);
  });

  it('makes the partition of a day that has none', async () => {
    const { closed, writer } = await start();
    closed(buildRecord({ requestId: 'future' }, Date.UTC(2031, 5, 15, 12)));
    closed(buildRecord({ requestId: 'past' }, Date.UTC(2001, 5, 15, 12)));
    await eventually(async () => (await countRows())?.rows === 2);
    const rows = await database.query('SELECT tableoid::regclass::text AS name FROM api_logs ORDER BY name');
    expect(rows).toEqual([{ name: 'api_logs_2001_06_15' }, { name: 'api_logs_2031_06_15' }]);
    expect(writer.stats()).toMatchObject({ written: 2, rejected: 0, failures: 0 });
  });

  it('drops and counts what PostgreSQL will not take, and writes the rest of the batch', async () => {
    const { repository } = await start();
    const lines = Array.from({ length: 101 }, (_, n) =>
      apiLogLine(buildRecord({ requestId: `req-${n}` }), crypto.randomUUID(), 1, n + 1),
    );
    lines[50] = lines[50]?.replace('\t0\t', '\tnot a number\t') ?? '';
    lines[51] = 'not a line at all\n';
    await expect(repository.write(lines)).resolves.toBe(2);
    expect(await countRows()).toEqual({ rows: 99, distinct: 99 });
  });

  it('finds the bad row among rows of which some are there already', async () => {
    const { repository } = await start();
    const lines = Array.from({ length: 9 }, (_, n) =>
      apiLogLine(buildRecord({ requestId: `req-${n}` }), crypto.randomUUID(), 1, n + 1),
    );
    await repository.write(lines.slice(0, 3));
    lines[7] = lines[7]?.replace('\t0\t', '\tnot a number\t') ?? '';
    await expect(repository.write(lines)).resolves.toBe(1);
    expect(await countRows()).toEqual({ rows: 8, distinct: 8 });
  });

  it('does not double rows that are sent again because an answer was lost', async () => {
    const { repository } = await start();
    const lines = Array.from({ length: 20 }, (_, n) =>
      apiLogLine(buildRecord({ requestId: `req-${n}` }), crypto.randomUUID(), 1, n + 1),
    );
    await repository.write(lines.slice(0, 12));
    await expect(repository.write(lines)).resolves.toBe(0);
    await expect(repository.write(lines)).resolves.toBe(0);
    expect(await countRows()).toEqual({ rows: 20, distinct: 20 });
  });

  it.each(['refuse', 'blackHole'] as const)(
    'sheds within its bound while PostgreSQL is away (%s), and writes what it kept once it is back',
    async (fault) => {
      const proxy = await TcpProxy.start(database.url);
      stops.push(() => proxy.stop());
      const { writer, closed } = await start(proxy.through(database.url), 100);
      closed(buildRecord({ requestId: 'before' }));
      await eventually(() => writer.stats().written === 1);
      await proxy[fault]();
      for (let n = 0; n < 130; n++) closed(buildRecord({ requestId: `away-${n}` }));
      expect(writer.stats()).toMatchObject({ queued: 100, shed: 30 });
      await eventually(() => writer.stats().failures > 0, 15_000);
      await proxy.heal();
      await eventually(() => writer.stats().queued === 0, 10_000);
      expect(writer.stats()).toMatchObject({ written: 101, shed: 30, rejected: 0 });
      expect(await countRows()).toEqual({ rows: 101, distinct: 101 });
    },
  );

  it('loses no acknowledged row and doubles none when PostgreSQL crashes under load', async () => {
    const postgres = await startPostgres();
    stops.push(() => postgres.stop());
    const own = new DataSource(servingOptions(postgres.url, 2));
    const migrating = migratingDataSource(postgres.url, migrationClasses() as never);
    await migrating.initialize();
    await migrating.runMigrations();
    await migrating.query('ALTER DATABASE core_nest SET synchronous_commit = on');
    await migrating.destroy();
    const { writer, closed } = await start(postgres.url, 100_000);

    let sent = 0;
    const load = setInterval(() => {
      for (let n = 0; n < 50; n++) closed(buildRecord({ requestId: `load-${sent++}` }));
    }, 5);
    await eventually(() => writer.stats().written > 1_000);
    for (let crash = 1; crash <= 3; crash++) {
      await own.initialize();
      const [{ pid }] = await own.query('SELECT pg_backend_pid() AS pid');
      const { written } = writer.stats();
      // PostgreSQL drops every session and recovers; no write fails if that is over before the next one.
      process.kill(pid, 'SIGKILL');
      await eventually(() => writer.stats().written > written + 1_000, 20_000);
      await own.destroy().catch(() => undefined);
    }
    clearInterval(load);
    await writer.onApplicationShutdown();
    expect(writer.stats()).toMatchObject({ queued: 0, written: sent, shed: 0, rejected: 0 });
    await own.initialize();
    const [row] = await own.query(
      'SELECT count(*)::int AS rows, count(DISTINCT request_id)::int AS distinct FROM api_logs',
    );
    await own.destroy();
    expect(row).toEqual({ rows: sent, distinct: sent });
  }, 60_000);
});
