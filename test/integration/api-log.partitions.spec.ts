import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { servingOptions } from '../../src/platform/database/data-source.js';
import type { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { ApiLogPartitionsRepository } from '../../src/records/api-log/api-log-partitions.repository.js';
import { ApiLogPartitionsService } from '../../src/records/api-log/api-log-partitions.service.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { FrozenClock } from '../support/frozen-clock.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('Partitions of the API log', () => {
  let database: TestDatabase;
  let pool: DataSource;
  let repository: ApiLogPartitionsRepository;

  beforeEach(async () => {
    database = await createTestDatabase();
    pool = new DataSource(servingOptions(database.url, 5));
    await pool.initialize();
    repository = new ApiLogPartitionsRepository(pool);
    for (const { name } of await partitions()) await database.query(`DROP TABLE ${name}`);
  });
  afterEach(async () => {
    await pool.destroy();
    await database.drop();
  });

  const partitions = () =>
    database.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'api_logs'::regclass ORDER BY name`,
    );
  const names = async () => (await partitions()).map(({ name }) => name.replace('api_logs_', ''));
  const maintainAt = (clock: FrozenClock, days = '2') =>
    new ApiLogPartitionsService(
      repository,
      buildSettings({ API_LOG_RETENTION_DAYS: days }),
      clock,
      undefined as unknown as PeriodicService,
    ).maintain();
  const insertAt = (time: string) =>
    database.query(`INSERT INTO api_logs (created_at, method, status, latency_ms) VALUES ($1, 'GET', 200, 1)`, [time]);

  /** Reads and writes as the service does, one after the other and both at once, until stopped. */
  function startTraffic(at: string) {
    const traffic = { stopped: false, done: 0, longestMs: 0, failures: [] as unknown[] };
    const work = async (sql: string) => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      while (!traffic.stopped) {
        const from = performance.now();
        await client.query(sql).catch((error: unknown) => traffic.failures.push(error));
        traffic.longestMs = Math.max(traffic.longestMs, performance.now() - from);
        traffic.done++;
        await delay(2);
      }
      await client.end();
    };
    const workers = [
      'SELECT id FROM api_logs ORDER BY created_at DESC, id DESC LIMIT 50',
      `INSERT INTO api_logs (created_at, method, status, latency_ms) VALUES ('${at}', 'GET', 200, 1)`,
    ].map(work);
    return Object.assign(traffic, {
      async stop() {
        traffic.stopped = true;
        await Promise.all(workers);
        return traffic;
      },
    });
  }

  it('are made ahead, by UTC day, across a year and whatever the time zone of the server', async () => {
    await database.query(`ALTER DATABASE ${database.name} SET timezone = 'Pacific/Auckland'`);
    await pool.destroy();
    await pool.initialize();
    await maintainAt(new FrozenClock(Date.UTC(2027, 11, 30, 23, 59)));
    expect(await names()).toEqual(['2027_12_30', '2027_12_31', '2028_01_01', '2028_01_02']);
    await insertAt('2027-12-31T23:59:59.999999Z');
    await insertAt('2028-01-01T00:00:00Z');
    const rows = await database.query('SELECT tableoid::regclass::text AS name FROM api_logs ORDER BY created_at');
    expect(rows).toEqual([{ name: 'api_logs_2027_12_31' }, { name: 'api_logs_2028_01_01' }]);
    await maintainAt(new FrozenClock(Date.UTC(2027, 11, 31)));
    expect(await names()).toHaveLength(5);
  });

  it('go when the last moment in them is older than the retention, and not before', async () => {
    const clock = new FrozenClock(Date.UTC(2027, 0, 1));
    await maintainAt(clock);
    await insertAt('2027-01-01T23:59:59Z');
    clock.set(Date.UTC(2027, 0, 3, 23, 59, 59));
    await maintainAt(clock);
    expect(await names()).toContain('2027_01_01');
    clock.set(Date.UTC(2027, 0, 4));
    await maintainAt(clock);
    expect(await names()).not.toContain('2027_01_01');
    expect(await names()).toContain('2027_01_02');
  });

  it('are made once by replicas that do it at the same time', async () => {
    const days = Array.from({ length: 10 }, (_, n) => `2027-03-0${(n % 9) + 1}`);
    const made = await Promise.all(Array.from({ length: 8 }, () => repository.ensureDays([...new Set(days)])));
    expect(made.reduce((sum, count) => sum + count)).toBe(9);
    expect(await names()).toHaveLength(9);
  });

  it('are made while readers and writers hold the table', async () => {
    await maintainAt(new FrozenClock(Date.UTC(2027, 0, 1)));
    await pool.transaction(async (manager) => {
      await manager.query(
        `INSERT INTO api_logs (created_at, method, status, latency_ms) VALUES ('2027-01-01', 'GET', 200, 1)`,
      );
      expect(await repository.ensureDays(['2027-06-01'])).toBe(1);
    });
  });

  it('stay for the next round while a long query holds them, and readers do not wait for that', async () => {
    await maintainAt(new FrozenClock(Date.UTC(2027, 0, 1)));
    await insertAt('2027-01-01T12:00:00Z');
    await pool.transaction(async (manager) => {
      await manager.query('SELECT count(*) FROM api_logs');
      const dropping = repository.dropBefore(new Date(Date.UTC(2027, 0, 2)));
      const from = performance.now();
      await database.query('SELECT count(*) FROM api_logs');
      expect(performance.now() - from).toBeLessThan(1_000);
      expect(await dropping).toEqual([]);
    });
    expect(await repository.dropBefore(new Date(Date.UTC(2027, 0, 2)))).toEqual(['api_logs_2027_01_01']);
  });

  it('go at once, and hold up nobody who reads or writes, not even behind a reader who stays', async () => {
    const days = ['2027-01-01', '2027-01-02', '2027-01-03', '2027-01-04'];
    await repository.ensureDays(days);
    for (const day of days)
      await database.query(
        `INSERT INTO api_logs (created_at, method, status, latency_ms, route)
         SELECT $1::timestamptz + n * interval '1 second', 'GET', 200, 1, repeat('x', 100) FROM generate_series(1, 20000) AS n`,
        [`${day}T00:00:00Z`],
      );
    const traffic = startTraffic('2027-01-04T12:00:00Z');
    await eventually(() => traffic.done > 50);

    const times: number[] = [];
    for (const day of ['02', '03']) {
      const from = performance.now();
      expect(await repository.dropBefore(new Date(`2027-01-${day}T00:00:00Z`))).toHaveLength(1);
      times.push(performance.now() - from);
    }
    await pool.transaction('REPEATABLE READ', async (manager) => {
      await manager.query('SELECT count(*) FROM api_logs');
      for (let attempt = 0; attempt < 3; attempt++)
        expect(await repository.dropBefore(new Date('2027-01-04T00:00:00Z'))).toEqual([]);
      const [{ count }] = await manager.query('SELECT count(*)::int FROM api_logs');
      expect(count).toBeGreaterThanOrEqual(40_000);
    });
    expect(await repository.dropBefore(new Date('2027-01-04T00:00:00Z'))).toEqual(['api_logs_2027_01_03']);

    const { done, longestMs, failures } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(done).toBeGreaterThan(200);
    // Whoever queued behind one of the locks waited for half a second.
    expect(longestMs).toBeLessThan(300);
    expect(Math.min(...times)).toBeLessThan(100);
    expect(await names()).toEqual(['2027_01_04']);
  });

  it('go in the end when their process died between the table and the file', async () => {
    await repository.ensureDays(['2027-01-01', '2027-01-02']);
    for (const step of [
      "COMMENT ON TABLE api_logs_2027_01_01 IS 'core-nest: was a partition of api_logs, is being dropped'",
      'ALTER TABLE api_logs DETACH PARTITION api_logs_2027_01_01',
    ])
      await database.query(step);
    await database.query('ALTER TABLE api_logs DETACH PARTITION api_logs_2027_01_02');
    expect(await repository.dropBefore(new Date('2028-01-01T00:00:00Z'))).toEqual(['api_logs_2027_01_01']);
    // What somebody else took out of the log is theirs.
    expect(await database.query('SELECT FROM api_logs_2027_01_02')).toEqual([]);
  });

  it('say so when they cannot be dropped for another reason than a lock', async () => {
    await repository.ensureDays(['2027-01-01']);
    await database.query('CREATE VIEW of_a_day AS SELECT * FROM api_logs_2027_01_01');
    await expect(repository.dropBefore(new Date('2028-01-01T00:00:00Z'))).rejects.toMatchObject({ code: '2BP01' });
  });

  it('leave the rows of the earlier table until all of them are too old', async () => {
    await database.query(`CREATE TABLE api_logs_legacy (LIKE api_logs INCLUDING ALL)`);
    await database.query(`
      ALTER TABLE api_logs ATTACH PARTITION api_logs_legacy FOR VALUES FROM (MINVALUE) TO ('2027-01-02 00:00:00+00')`);
    await insertAt('2020-01-01T00:00:00Z');
    await maintainAt(new FrozenClock(Date.UTC(2027, 0, 1, 12)));
    expect(await names()).toEqual(['2027_01_02', '2027_01_03', '2027_01_04', 'legacy']);
    await maintainAt(new FrozenClock(Date.UTC(2027, 0, 4)));
    expect(await names()).not.toContain('legacy');
  });
});
