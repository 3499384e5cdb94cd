import { setTimeout as delay } from 'node:timers/promises';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';
import { RawConnection } from '../support/raw-http.js';

/** A row is written within a second; a busy machine may add one. */
const ROW_MS = 2_000;
const OURS = /^req_[0-9a-f]{24}$/;
/** What a smuggler wants served as a request of its own. */
const SMUGGLED = 'GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\nX-Request-Id: smuggled\r\n\r\n';

let app: TestApp;
let client: InsertedClient;
let connection: RawConnection;

beforeAll(async () => {
  app = await startApp({ redis: null });
  client = await app.createClient({ scopes: ['admin'] });
});

afterAll(() => app?.stop());

beforeEach(async () => {
  connection = await RawConnection.open(app.port);
});

afterEach(() => connection.close());

async function answer() {
  const response = await Promise.race([connection.response(), delay(9_000, 'silence' as const, { ref: false })]);
  if (response === null || response === 'silence') throw new Error(`Instead of an answer: ${response}`);
  return response;
}

/** What the log has to have of each request of this file. */
const expectedRows = new Map<string, object>();

function expectRow({ headers }: { headers: Record<string, string> }, row: object): void {
  const id = headers['x-request-id'] ?? '';
  expect(id).toMatch(OURS);
  expectedRows.set(id, row);
}

const post = (lines: string, body: string) =>
  `POST /api/v1/clients HTTP/1.1\r\nHost: x\r\nX-API-Key: KEY\r\nContent-Type: application/json\r\n${lines}\r\n${body}`;

/** Requests whose end two readers could see in different places. */
const UNCLEAR: Record<string, string> = {
  'a length and chunks': post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'chunks and a length': post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', `0\r\n\r\n${SMUGGLED}`),
  'two lengths': post(`Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
  'one length twice': post('Content-Length: 2\r\nContent-Length: 2\r\n', `{}${SMUGGLED}`),
  'a list of lengths': post('Content-Length: 2, 2\r\n', `{}${SMUGGLED}`),
  'a length with a sign': post('Content-Length: +2\r\n', `{}${SMUGGLED}`),
  'a negative length': post('Content-Length: -2\r\n', SMUGGLED),
  'a length in hexadecimal': post('Content-Length: 0x2\r\n', `{}${SMUGGLED}`),
  'a length beyond all': post(`Content-Length: ${'9'.repeat(30)}\r\n`, `{}${SMUGGLED}`),
  'a blank before the colon of a length': post('Content-Length : 2\r\n', `{}${SMUGGLED}`),
  'a blank before the colon of an encoding': post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'chunks that are not last': post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${SMUGGLED}`),
  'an encoding nobody knows': post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'two encodings': post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'chunks in HTTP/1.0': post('Transfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`).replace('1.1', '1.0'),
  'an encoding on a folded line': post('X-A: b\r\n Transfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'lines that end in LF alone': post('', '').replaceAll('\r\n', '\n') + SMUGGLED,
  'a CR in a value': post('X-A: b\rTransfer-Encoding: chunked\r\n', SMUGGLED),
  'a NUL in a value': post('X-A: b\u0000c\r\n', SMUGGLED),
  'a chunk of no size': post('Transfer-Encoding: chunked\r\n', `;\r\n\r\n${SMUGGLED}`),
  'a chunk larger than all': post('Transfer-Encoding: chunked\r\n', `${'f'.repeat(17)}\r\n${SMUGGLED}`),
};

describe('a request whose end is unclear', () => {
  it.each(Object.keys(UNCLEAR))('%s: 400, the connection ends, nothing behind it is served', async (what) => {
    const before = app.records.length;
    connection.send((UNCLEAR[what] as string).replace('KEY', client.apiKey));
    const response = await answer();
    expect(response.status).toBe(400);
    expect(await connection.response()).toBeNull();
    expect(app.records.slice(before).map(({ requestId }) => requestId)).toEqual([response.headers['x-request-id']]);
    expectRow(response, { status: 400, client_address: '127.0.0.1' });
  });
});

describe('a header block', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${i}\r\n`).join('');

  it.each([
    ['of 101 lines', lines(100)],
    ['of 1,500 lines', lines(1_500)],
    ['of 17 KB', `X-Large: ${'x'.repeat(17_000)}\r\n`],
  ])('%s is 431', async (_what, block) => {
    connection.send(`GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n${block}\r\n`);
    const response = await answer();
    expect(response.status).toBe(431);
    expect(JSON.parse(response.body)).toMatchObject({ code: 'headers_too_large' });
    expectRow(response, {
      status: 431,
      error_code: 'headers_too_large',
    });
  });

  it('that hides a credential behind 100 lines is not read for it', async () => {
    connection.send(`GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n${lines(100)}X-API-Key: ${client.apiKey}\r\n\r\n`);
    const response = await answer();
    expect(response.status).toBe(431);
    expectRow(response, { client_id: null });
  });

  it('that comes slowly is 408 within 8 s', async () => {
    const started = performance.now();
    connection.send('GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => connection.send('X-Slow: 1\r\n'), 500);
    const response = await answer().finally(() => clearInterval(drip));
    expect(response.status).toBe(408);
    expect(performance.now() - started).toBeLessThan(8_000);
    expectRow(response, { status: 408, error_code: 'request_timeout' });
  });
});

describe('a request line that is odd', () => {
  it.each<[string, number]>([
    ['GET http://elsewhere.example/api/v1/whoami HTTP/1.1', 200],
    ['GET http://elsewhere.example HTTP/1.1', 404],
    ['GET //api/v1/whoami HTTP/1.1', 404],
    ['GET //elsewhere.example/api/v1/whoami HTTP/1.1', 404],
    ['GET /api//v1/whoami HTTP/1.1', 404],
    ['GET /api/v1/../v1/whoami HTTP/1.1', 404],
    ['GET /api/v1/%2e%2e/v1/whoami HTTP/1.1', 404],
    ['GET /%00 HTTP/1.1', 404],
    ['GET /api/v1/clients/%00 HTTP/1.1', 404],
    ['GET /api/v1/clients/%ff HTTP/1.1', 400],
    ['GET /v1/models/%00 HTTP/1.1', 404],
    ['GET /docs/..%2f..%2f..%2fpackage.json HTTP/1.1', 404],
    ['GET /docs/%2e%2e/%2e%2e/package.json HTTP/1.1', 403],
    ['GET /api/v1/whoami#x HTTP/1.1', 200],
    ['GET ? HTTP/1.1', 400],
    ['OPTIONS * HTTP/1.1', 404],
    ['TRACE /api/v1/whoami HTTP/1.1', 404],
    ['PUT /api/v1/whoami HTTP/1.1', 404],
    ['PROPFIND /api/v1/whoami HTTP/1.1', 404],
    ['GET /api/v1/whoami HTTP/1.0', 200],
    ['GET /api/v1/whoami HTTP/9.9', 400],
    ['GET /api/v1/whoami', 400],
    ['get /api/v1/whoami HTTP/1.1', 400],
  ])('%s: %i', async (line, expected) => {
    connection.send(`${line}\r\nHost: x\r\nX-API-Key: ${client.apiKey}\r\n\r\n`);
    const response = await answer();
    expect({ line, status: response.status }).toEqual({ line, status: expected });
    expect(response.body).not.toContain('"core-nest"');
    expectRow(response, { status: expected });
  });

  it.each(['CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: x\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'])(
    '%j opens nothing',
    async (bytes) => {
      connection.send(bytes);
      const response = await connection.response();
      expect(response === null || response.status >= 400).toBe(true);
    },
  );

  it('asking for another protocol is answered in this one', async () => {
    for (const protocol of ['websocket', 'h2c']) {
      const upgrade = `Connection: Upgrade\r\nUpgrade: ${protocol}\r\nX-API-Key: ${client.apiKey}\r\n`;
      connection.send(`GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
      expect((await answer()).status).toBe(200);
    }
  });
});

describe('a Host', () => {
  it.each([
    ['missing', '', 400],
    ['twice', 'Host: a\r\nHost: b\r\n', 400],
    ['empty', 'Host:\r\n', 200],
    ['of others', 'Host: elsewhere.example@x:1\r\n', 200],
  ])('%s changes nothing but whether it is answered', async (_what, lines, expected) => {
    connection.send(`GET /api/v1/whoami HTTP/1.1\r\n${lines}X-API-Key: ${client.apiKey}\r\n\r\n`);
    const response = await answer();
    expect(response.status).toBe(expected);
    expect(response.body).not.toContain('elsewhere');
    expectRow(response, { status: expected });
  });
});

describe('all of these', () => {
  it('are in the log, one row each, within two seconds', async () => {
    const ids = [...expectedRows.keys()];
    expect(ids.length).toBeGreaterThan(50);
    const rows = () => app.database.query('SELECT * FROM api_logs WHERE request_id = ANY ($1)', [ids]);
    await eventually(async () => (await rows()).length >= ids.length, ROW_MS);
    const found = await rows();
    expect(found).toHaveLength(ids.length);
    for (const row of found) expect(row).toMatchObject(expectedRows.get(String(row.request_id)) ?? {});
  });
});
