import { DataSource } from 'typeorm';
import { Clock } from '../../src/kernel/clock.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { ReadDatabase } from '../../src/platform/database/read-database.js';
import { ApiLogRepository, listStatement } from '../../src/records/api-log/api-log.repository.js';
import { ApiLogService } from '../../src/records/api-log/api-log.service.js';
import { buildSettings } from '../support/build-settings.js';
import { FrozenClock } from '../support/frozen-clock.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const DAY = '2027-02-0';

describe('The list of the API log', () => {
  let database: TestDatabase;
  let pool: DataSource;
  let service: ApiLogService;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new DataSource(servingOptions(database.url, 5));
    await pool.initialize();
    service = new ApiLogService(
      new ApiLogRepository(new ReadDatabase(buildSettings(), pool), buildSettings(), new Clock()),
    );
    for (const day of [1, 2, 3])
      await database.query(`
        CREATE TABLE api_logs_day_${day} PARTITION OF api_logs
        FOR VALUES FROM ('${DAY}${day} 00:00:00+00') TO ('${DAY}${day + 1} 00:00:00+00')`);
  });
  beforeEach(async () => {
    await database.query('TRUNCATE api_logs');
  });
  afterAll(async () => {
    await pool.destroy();
    await database.drop();
  });

  /** `rows` requests over three days, several of each microsecond. */
  const fill = (rows: number, prefix = 'req') =>
    database.query(
      `INSERT INTO api_logs (created_at, request_id, method, route, status, latency_ms, client_id, provider, model,
                             auth_method, caller_kind, error_code, bytes_in, stream, user_id)
       SELECT '${DAY}1 00:00:00+00'::timestamptz + (n / 3) * interval '3 days' / $1::int * 3 + (n / 3) * interval '1 microsecond',
              $2 || n, CASE n % 2 WHEN 0 THEN 'POST' ELSE 'GET' END, '/v1/chat/completions', CASE n % 10 WHEN 0 THEN 499 ELSE 200 END,
              1.5, 'cn_live_' || n % 4, CASE n % 5 WHEN 0 THEN 'anthropic' ELSE 'openai' END, 'openai/gpt-' || n % 3,
              CASE n % 7 WHEN 0 THEN 'byot' ELSE 'client' END, 'curl', CASE n % 6 WHEN 0 THEN 'rate_limited' END, 9007199254740991, false,
              CASE n % 4 WHEN 1 THEN 'usr_' || n % 8 END
       FROM generate_series(0, $1::int - 1) AS n`,
      [rows, prefix],
    );

  async function readAll(query: Record<string, string>, meanwhile: () => Promise<unknown> = async () => undefined) {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await service.list(cursor === null ? query : { ...query, cursor });
      seen.push(...page.data.map((row) => row.request_id ?? ''));
      expect(page.has_more).toBe(page.next_cursor !== null);
      cursor = page.next_cursor;
      await meanwhile();
    } while (cursor !== null);
    return seen;
  }

  it('shows a row with every field under its own name', async () => {
    await database.query(`
      INSERT INTO api_logs (id, created_at, request_id, method, status, latency_ms, bytes_out)
      VALUES ('018f3a5e-0000-4000-8000-000000000001', '${DAY}2 10:00:00.123456+00', 'req-1', 'GET', 404, 0.25, 12)`);
    await expect(service.list({})).resolves.toEqual({
      data: [
        {
          id: '018f3a5e-0000-4000-8000-000000000001',
          created_at: '2027-02-02T10:00:00.123456Z',
          request_id: 'req-1',
          method: 'GET',
          route: null,
          status: 404,
          latency_ms: 0.25,
          bytes_in: null,
          bytes_out: 12,
          auth_method: null,
          client_id: null,
          client_address: null,
          caller_kind: null,
          provider: null,
          model: null,
          stream: false,
          input_tokens: null,
          output_tokens: null,
          error_code: null,
          user_id: null,
        },
      ],
      has_more: false,
      next_cursor: null,
    });
  });

  it.each(['-created_at', 'created_at'])(
    'gives each row once in the order %s, over days and equal times',
    async (sort) => {
      await fill(300);
      const seen = await readAll({ limit: '7', sort });
      expect(new Set(seen).size).toBe(300);
      expect(seen).toHaveLength(300);
      const rows = await database.query<{ id: string }>(
        `SELECT request_id AS id FROM api_logs ORDER BY api_logs.created_at ${sort === 'created_at' ? '' : 'DESC'}, api_logs.id ${
          sort === 'created_at' ? '' : 'DESC'
        }`,
      );
      expect(seen).toEqual(rows.map(({ id }) => id));
    },
  );

  it('gives every row that was there exactly once while others are written', async () => {
    await fill(200);
    let round = 0;
    const seen = await readAll({ limit: '20' }, () => fill(30, `new-${round++}-`));
    const old = seen.filter((id) => id.startsWith('req'));
    expect(old).toHaveLength(200);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it.each([
    [{ status: '499' }, 'status = 499'],
    [{ client_id: 'cn_live_2' }, `client_id = 'cn_live_2'`],
    [{ user_id: 'usr_5' }, `user_id = 'usr_5'`],
    [{ user_id: 'usr_1', client_id: 'cn_live_1' }, `user_id = 'usr_1'`],
    [{ method: 'POST', provider: 'anthropic' }, `method = 'POST' AND provider = 'anthropic'`],
    [{ model: 'openai/gpt-1' }, `model = 'openai/gpt-1'`],
    [{ auth_method: 'byot' }, `auth_method = 'byot'`],
    [{ caller_kind: 'curl', error_code: 'rate_limited' }, `error_code = 'rate_limited'`],
    [{ request_id: 'req17' }, `request_id = 'req17'`],
    [{ client_address: '192.0.2.99' }, 'false'],
    [
      { created_after: `${DAY}2T00:00:00Z`, created_before: `${DAY}3T02:00:00+02:00` },
      `created_at > '${DAY}2 00:00+00' AND created_at < '${DAY}3 00:00+00'`,
    ],
    [{ client_id: `x' OR '1'='1` }, 'false'],
  ])('narrows by %j', async (filters, condition) => {
    await fill(90);
    const rows = await database.query<{ id: string }>(`SELECT request_id AS id FROM api_logs WHERE ${condition}`);
    const seen = await readAll({ ...filters, limit: '4' });
    expect(seen.sort()).toEqual(rows.map(({ id }) => id).sort());
    expect(seen.length < 90).toBe(true);
  });

  it.each([
    [{ auth_headers: 'x' }, 'query.auth_headers: is not a filter of this list'],
    [{ sort: 'latency_ms' }, 'query.sort: must be one of created_at, -created_at'],
    [{ status: 'many' }, 'query.status: must be a whole number'],
    [{ auth_method: 'magic' }, 'query.auth_method: must be one of client, byot, jwt, session'],
    [
      {
        cursor: Buffer.from(
          '["-created_at","2026-01-01T00:00:00+02:00","018f3a5e-0000-4000-8000-000000000001"]',
        ).toString('base64url'),
      },
      'query.cursor: is not a cursor of this list',
    ],
    [{ cursor: 'x' }, 'query.cursor: is not a cursor of this list and sort; take next_cursor of the page before'],
    [
      {
        cursor: Buffer.from(
          '["-created_at","0000-01-01T00:00:00.000000Z","018f3a5e-0000-4000-8000-000000000001"]',
        ).toString('base64url'),
      },
      'query.cursor: is not a cursor of this list and sort; take next_cursor of the page before',
    ],
  ])('refuses %j', async (query, message) => {
    await expect(service.list(query as Record<string, string>)).rejects.toMatchObject({
      code: 'invalid_request',
      message,
    });
  });

  it('passes on that PostgreSQL is away, which is not its own time-out', async () => {
    const gone = new ApiLogRepository(
      new ReadDatabase(buildSettings(), new DataSource(servingOptions('postgres://nobody@127.0.0.1:1/none', 1))),
      buildSettings(),
      new Clock(),
    );
    const failure = await new ApiLogService(gone).list({}).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(failure).not.toHaveProperty('code', 'service_unavailable');
  });

  it('takes times that no row can have', async () => {
    await fill(3);
    for (const time of ['0001-01-02T00:00:00+14:00', '9999-12-31T23:59:59Z'])
      await expect(service.list({ created_after: time })).resolves.toMatchObject({ has_more: false });
  });

  it('answers 503 within its bound when the search takes too long', async () => {
    const holder = new DataSource(servingOptions(database.url, 1));
    await holder.initialize();
    const runner = holder.createQueryRunner();
    await runner.startTransaction();
    await runner.query('LOCK TABLE api_logs IN ACCESS EXCLUSIVE MODE');
    const from = performance.now();
    await expect(service.list({})).rejects.toMatchObject({ status: 503, code: 'service_unavailable' });
    expect(performance.now() - from).toBeLessThan(3_000);
    await runner.rollbackTransaction();
    await runner.release();
    await holder.destroy();
  });

  it.each(['-created_at', 'created_at'])(
    'ends a page early when next to nothing is found, and finds each row in the end (%s)',
    async (sort) => {
      await fill(200_000);
      for (const day of [1, 2, 3])
        await database.query(
          `INSERT INTO api_logs (created_at, request_id, method, status, latency_ms) VALUES ($1, $2, 'TRACE', 200, 1)`,
          [`${DAY}${day}T06:00:00Z`, `rare-${day}`],
        );
      const future = new Date(`${DAY}4T00:00:00Z`).getTime();
      const later = new ApiLogService(
        new ApiLogRepository(new ReadDatabase(buildSettings(), pool), buildSettings(), new FrozenClock(future)),
      );
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const from = performance.now();
        const page = await later.list({ method: 'TRACE', sort, ...(cursor !== null && { cursor }) });
        expect(performance.now() - from).toBeLessThan(1_000);
        expect(page.has_more).toBe(page.next_cursor !== null);
        seen.push(...page.data.map((row) => row.request_id ?? ''));
        cursor = page.next_cursor;
      } while (cursor !== null);
      const upwards = ['rare-1', 'rare-2', 'rare-3'];
      expect(seen).toEqual(sort === 'created_at' ? upwards : upwards.reverse());
    },
  );

  it.each([
    ['any page', { after: null, filters: {} }, /Index (Only )?Scan (Backward )?using \S*pkey/],
    [
      'the pages of a client',
      { after: null, filters: { client_id: 'cn_live_9' } },
      /Scan (Backward )?using \S*hashtext_created_at_idx/,
    ],
    ['one request', { after: null, filters: { request_id: 'req17' } }, /(using|on) \S*hashtext_idx/],
    [
      'a later page',
      { after: [`${DAY}2T00:00:00.000000Z`, '018f3a5e-0000-4000-8000-000000000001'] as const, filters: {} },
      /Index (Only )?Scan (Backward )?using \S*pkey/,
    ],
  ])('reads an index for %s, without sorting', async (_, { after, filters }, index) => {
    await fill(30_000);
    await database.query('ANALYZE api_logs');
    const query = { limit: 50, sort: 'created_at', descending: true, after, filters } as const;
    const { sql, values } = listStatement(query, { from: null, to: null }, 51);
    const plan = (await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, values))
      .map((row) => row['QUERY PLAN'])
      .join('\n');
    expect(plan).toMatch(index);
    expect(plan).not.toMatch(/Seq Scan on api_logs_day/);
    if (Object.keys(filters).length === 0) expect(plan).not.toContain('Sort');
    if (after !== null) expect(plan).not.toContain('api_logs_day_3');
  });
});
