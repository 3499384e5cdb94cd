import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp } from '../../src/app.setup.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { type InsertedClient, insertClient } from '../support/insert-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

interface Row {
  readonly [field: string]: unknown;
}

let database: TestDatabase;
let app: NestFastifyApplication;
let port: number;
let reader: InsertedClient;
let caller: InsertedClient;

async function start(): Promise<NestFastifyApplication> {
  const started = await createApp(buildSettings({ DATABASE_URL: database.url, RATE_LIMITS: 'general=100000/60' }));
  await started.listen(0, '127.0.0.1');
  port = (started.getHttpServer().address() as AddressInfo).port;
  return started;
}

beforeAll(async () => {
  database = await createTestDatabase();
  reader = await insertClient(database, { scopes: ['logs:read'] });
  caller = await insertClient(database, { scopes: ['llm:invoke'] });
  app = await start();
});
afterAll(async () => {
  app?.getHttpServer().closeAllConnections();
  await app?.close();
  await database?.drop();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close', ...headers } });
const logs = async (query: string) => {
  const response = await get(`/api/v1/api-logs?${query}`, { 'x-api-key': reader.apiKey });
  return { status: response.status, body: (await response.json()) as { data: Row[] } & Row };
};

/** The one row of a request, which has to be there within a second. */
async function rowOf(requestId: string, withinMs = 1_000): Promise<Row> {
  let rows: Row[] = [];
  await eventually(async () => {
    rows = (await logs(`request_id=${requestId}`)).body.data;
    return rows.length > 0;
  }, withinMs);
  expect(rows).toHaveLength(1);
  return rows[0] ?? {};
}

describe('GET /api/v1/api-logs', () => {
  it.each([
    ['answered', '/api/v1/whoami', () => ({ 'x-api-key': caller.apiKey }), 200, '/api/v1/whoami', null],
    ['without a credential', '/api/v1/whoami', () => ({}), 401, '/api/v1/whoami', 'missing_credentials'],
    [
      'not permitted',
      '/api/v1/api-logs',
      () => ({ 'x-api-key': caller.apiKey }),
      403,
      '/api/v1/api-logs',
      'permission_denied',
    ],
    ['to nowhere', '/api/v1/nowhere?key=CANARY', () => ({}), 404, null, 'not_found'],
  ])('shows a request that was %s', async (name, path, headers, status, route, errorCode) => {
    const requestId = `e2e-${name.replaceAll(' ', '-')}`;
    const response = await get(path, { ...headers(), 'x-request-id': requestId, 'user-agent': 'curl/8.0' });
    expect(response.status).toBe(status);
    expect(await rowOf(requestId)).toMatchObject({
      request_id: requestId,
      method: 'GET',
      status,
      route,
      error_code: errorCode,
      client_id: 'x-api-key' in headers() ? caller.clientId : null,
      client_address: '127.0.0.1',
      caller_kind: 'curl',
      auth_method: 'x-api-key' in headers() ? 'client' : null,
    });
  });

  it('shows a caller that left as 499', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Request-Id: e2e-left\r\nAuthorization: Bearer ${caller.apiKey}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
    );
    await once(socket, 'connect');
    await eventually(async () => {
      socket.destroy();
      return (await logs('status=499&request_id=e2e-left')).body.data.length === 1;
    });
  });

  it('pages with the cursor it gave, and refuses what it does not know', async () => {
    for (let n = 0; n < 5; n++) await get('/health/live', { 'x-request-id': `e2e-page-${n}` });
    await rowOf('e2e-page-4');
    const first = await logs('limit=2&sort=created_at');
    expect(first.body).toMatchObject({ has_more: true, next_cursor: expect.any(String) });
    const second = await logs(`limit=2&sort=created_at&cursor=${first.body.next_cursor}`);
    const ids = [...first.body.data, ...second.body.data].map(({ id }) => id);
    expect(new Set(ids).size).toBe(4);
    const refused = await logs('auth_headers=x');
    expect(refused).toMatchObject({
      status: 400,
      body: {
        code: 'invalid_request',
        errors: [{ location: 'query.auth_headers', message: 'is not a filter of this list' }],
      },
    });
  });

  it('counts the rows for /metrics', async () => {
    const operator = await insertClient(database, { scopes: ['admin'] });
    const response = await get('/metrics', { 'x-api-key': operator.apiKey });
    expect(await response.text()).toMatch(/core_nest_api_log_rows_total\{kind="written"\} [1-9]/);
  });

  it('has written every answered request when the process has stopped', async () => {
    const ids = Array.from({ length: 20 }, (_, n) => `e2e-last-${n}`);
    await Promise.all(ids.map((id) => get('/health/live', { 'x-request-id': id })));
    await app.close();
    const rows = await database.query(`SELECT request_id FROM api_logs WHERE request_id LIKE 'e2e-last-%'`);
    expect(rows).toHaveLength(20);
    app = await start();
  });
});
