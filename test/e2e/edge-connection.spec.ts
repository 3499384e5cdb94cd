import { drain } from '../../src/platform/http/graceful-shutdown.js';
import { type EdgeApp, RAW_LIMIT_BYTES, startEdgeApp } from '../support/edge-app.js';
import { eventually } from '../support/eventually.js';
import { RawConnection } from '../support/raw-http.js';

const OURS = /^req_[0-9a-f]{24}$/;
const WHO = 'GET /api/v1/who HTTP/1.1\r\nHost: x\r\n\r\n';

let edge: EdgeApp;
let connection: RawConnection;

beforeAll(async () => {
  edge = await startEdgeApp();
});

beforeEach(async () => {
  connection = await RawConnection.open(edge.port);
  edge.records.length = 0;
});

afterEach(() => connection.close());
afterAll(() => edge.close());

async function answer() {
  const response = await connection.response();
  if (response === null) throw new Error('The connection ended without an answer.');
  return { ...response, json: response.body.startsWith('{') ? JSON.parse(response.body) : null };
}

async function records(count: number) {
  await eventually(() => edge.records.length >= count);
  expect(edge.records).toHaveLength(count);
  return edge.records;
}

function openRequests(): number {
  const adapter = edge.app.getHttpAdapter() as unknown as { edge: { open: Map<unknown, unknown> } };
  return adapter.edge.open.size;
}

describe('what is refused for its form', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${i}\r\n`).join('');

  it('takes 100 header lines and answers 431 to 101', async () => {
    connection.send(`GET /api/v1/who HTTP/1.1\r\nHost: x\r\n${lines(99)}\r\n`);
    expect((await answer()).status).toBe(200);
    connection.send(`GET /api/v1/who HTTP/1.1\r\nHost: x\r\n${lines(100)}\r\n`);
    const { status, headers, json } = await answer();
    expect(status).toBe(431);
    expect(json.code).toBe('headers_too_large');
    expect(headers['x-request-id']).toMatch(OURS);
    const [, refused] = await records(2);
    expect(refused).toMatchObject({ status: 431, errorCode: 'headers_too_large', route: '/api/v1/who' });
  });

  it('counts lines that Node would join or drop', async () => {
    connection.send(`GET /api/v1/who HTTP/1.1\r\nHost: x\r\n${'Authorization: Bearer x\r\n'.repeat(100)}\r\n`);
    expect((await answer()).status).toBe(431);
  });

  it('answers 431 to more header bytes than it reads', async () => {
    connection.send(`GET /api/v1/who HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(17_000)}\r\n\r\n`);
    const { status, headers, json } = await answer();
    expect(status).toBe(431);
    expect(json).toMatchObject({ code: 'headers_too_large', request_id: headers['x-request-id'] });
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(await connection.ended()).toBe(true);
    expect(await records(1)).toMatchObject([
      { status: 431, errorCode: 'headers_too_large', method: 'UNKNOWN', address: '127.0.0.1', route: null },
    ]);
  });

  it.each([
    ['nonsense', 'THIS IS NOT HTTP\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['length and chunks', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a blank in a header name', 'GET / HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n'],
  ])('answers 400 to %s', async (_name, text) => {
    connection.send(text);
    const { status, headers, json } = await answer();
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: 'malformed_request', request_id: headers['x-request-id'] });
    expect(headers['x-request-id']).toMatch(OURS);
    expect(await records(1)).toMatchObject([{ status: 400, errorCode: 'malformed_request' }]);
  });

  it('answers 400 to HTTP/1.1 without a host', async () => {
    connection.send('GET /api/v1/who HTTP/1.1\r\n\r\n');
    expect(await answer()).toMatchObject({ status: 400, json: { code: 'malformed_request' } });
    expect(await records(1)).toMatchObject([{ status: 400, route: '/api/v1/who' }]);
  });

  it('records a body that breaks its framing once, under the id of its request', async () => {
    connection.send(
      'POST /v1/echo HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n',
    );
    const { status, headers } = await answer();
    expect(status).toBe(400);
    expect(headers['x-request-id']).toBe('mine');
    expect(await connection.ended()).toBe(true);
    expect(await records(1)).toMatchObject([
      { requestId: 'mine', status: 400, errorCode: 'malformed_request', aborted: false },
    ]);
  });

  it('answers 408 to a header block that does not end, within the bound', async () => {
    connection.send('GET /api/v1/who HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const started = performance.now();
    const { status, json } = await answer();
    expect(status).toBe(408);
    expect(json.code).toBe('request_timeout');
    expect(performance.now() - started).toBeGreaterThan(4_500);
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(await records(1)).toMatchObject([{ status: 408, errorCode: 'request_timeout' }]);
  });
});

describe('an incoming request id sent twice', () => {
  it('is replaced', async () => {
    connection.send('GET /api/v1/who HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n');
    expect((await answer()).headers['x-request-id']).toMatch(OURS);
  });
});

describe('bodies', () => {
  const refusedBefore = (path: string, length: number, extra = '') =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${extra}\r\n`;

  it('announced as too large are refused before any byte of them is sent', async () => {
    connection.send(refusedBefore('/v1/echo', RAW_LIMIT_BYTES + 1));
    const { status, headers, json } = await answer();
    expect(status).toBe(413);
    expect(json.error.code).toBe('payload_too_large');
    expect(headers.connection).toBe('close');
    expect(await connection.ended()).toBe(true);
    expect(await records(1)).toMatchObject([{ status: 413, bytesIn: 0 }]);
  });

  it('of the largest size are read, one byte more in chunks is refused', async () => {
    const { port } = edge;
    const largest = await fetch(`http://127.0.0.1:${port}/v1/echo`, {
      method: 'POST',
      body: 'x'.repeat(RAW_LIMIT_BYTES),
    });
    expect((await largest.text()).length).toBe(RAW_LIMIT_BYTES);
    connection.send('POST /v1/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const size = RAW_LIMIT_BYTES / 2;
    connection.send(`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`.repeat(2));
    connection.send('1\r\nx\r\n');
    expect((await answer()).status).toBe(413);
  });

  it('that are small and unwanted leave the connection usable', async () => {
    for (let i = 0; i < 3; i += 1) {
      connection.send(`${refusedBefore('/api/v1/refused', 1_000)}${'x'.repeat(1_000)}`);
      const { status, headers } = await answer();
      expect(status).toBe(401);
      expect(headers.connection).toBe('keep-alive');
    }
    connection.send(WHO);
    expect((await answer()).status).toBe(200);
  });

  it('that are large and unwanted do not cost the caller its answer', async () => {
    connection.send(refusedBefore('/api/v1/refused', 3_000_000));
    connection.send('x'.repeat(3_000_000));
    const { status, headers } = await answer();
    expect(status).toBe(401);
    expect(headers.connection).toBe('close');
  });

  it('hide no request behind one that was refused', async () => {
    connection.send(refusedBefore('/api/v1/refused', 100_000));
    expect((await answer()).status).toBe(401);
    connection.send(`${'x'.repeat(100_000)}${WHO}`);
    expect(await connection.response()).toBeNull();
    expect(await records(1)).toMatchObject([{ status: 401 }]);
  });

  it('are asked for only when they are wanted', async () => {
    connection.send(refusedBefore('/v1/echo', 3, 'Expect: 100-continue\r\n'));
    expect((await answer()).status).toBe(100);
    connection.send('abc');
    expect(await answer()).toMatchObject({ status: 201, body: 'abc' });
    connection.send(refusedBefore('/api/v1/refused', 3, 'Expect: 100-continue\r\n'));
    expect(await answer()).toMatchObject({ status: 401, headers: { connection: 'close' } });
  });

  it('that end early are recorded as left', async () => {
    connection.send(`${refusedBefore('/v1/echo', 100)}abc`);
    await eventually(() => openRequests() === 1);
    connection.close();
    expect(await records(1)).toMatchObject([{ route: '/v1/echo', aborted: true }]);
  });
});

describe('callers that leave', () => {
  it('in the middle of a stream are recorded once, as aborted', async () => {
    connection.send('GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n');
    const { headers } = await answer();
    connection.close();
    const [record] = await records(1);
    expect(record).toMatchObject({
      requestId: headers['x-request-id'],
      route: '/v1/stream',
      status: 200,
      aborted: true,
    });
    expect(record?.bytesOut).toBeGreaterThan(100);
  });

  it('before their answer are recorded, pipelined requests too', async () => {
    const slow = 'DELETE /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n';
    connection.send(slow + slow);
    await eventually(() => openRequests() === 2);
    connection.close();
    expect(await records(2)).toMatchObject([{ aborted: true }, { aborted: true }]);
  });

  it('without having said anything are not recorded', async () => {
    connection.close();
    const other = await RawConnection.open(edge.port);
    other.send(WHO);
    await other.response();
    other.close();
    expect(await records(1)).toMatchObject([{ route: '/api/v1/who' }]);
  });
});

describe('one connection', () => {
  it('carries 200 requests of every kind, each with its own id and record', async () => {
    const kinds = [
      [WHO, 200],
      ['GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n', 404],
      ['GET /v1/limited HTTP/1.1\r\nHost: x\r\n\r\n', 429],
      ['POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc', 201],
      ['POST /api/v1/refused HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc', 401],
    ] as const;
    const ids: string[] = [];
    for (let i = 0; i < 200; i += 1) {
      const [text, expected] = kinds[i % kinds.length] ?? [WHO, 200];
      connection.send(text);
      const { status, headers } = await answer();
      expect(status).toBe(expected);
      ids.push(headers['x-request-id'] ?? '');
    }
    expect(new Set(ids).size).toBe(200);
    expect((await records(200)).map(({ requestId }) => requestId)).toEqual(ids);
  });

  it('counts the bytes of each answer by itself', async () => {
    connection.send('POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc');
    await answer();
    connection.send(`POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5003\r\n\r\n${'x'.repeat(5_003)}`);
    await answer();
    const [small, large] = await records(2);
    expect((large?.bytesOut ?? 0) - (small?.bytesOut ?? 0)).toBe(5_003);
    expect([small?.bytesIn, large?.bytesIn]).toEqual([3, 5_003]);
  });
});

describe('draining', () => {
  it('lets accepted requests finish, closes their connections, accepts no more', async () => {
    const own = await startEdgeApp();
    const [busy, idle] = [await RawConnection.open(own.port), await RawConnection.open(own.port)];
    idle.send(WHO);
    await idle.response();
    busy.send('DELETE /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n');
    const { edge: inner } = own.app.getHttpAdapter() as unknown as { edge: { open: Map<unknown, unknown> } };
    await eventually(() => inner.open.size === 1);
    let drained = false;
    const done = drain(own.app, {
      graceSeconds: 5,
      onDrain: () => {
        drained = true;
      },
    });
    expect(drained).toBe(true);
    await expect(RawConnection.open(own.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await busy.response()).toMatchObject({
      status: 200,
      headers: { connection: 'close' },
      body: '{"slow":true}',
    });
    expect(await idle.ended()).toBe(true);
    expect(await done).toBe(0);
  });

  it('breaks off what outlasts the grace', async () => {
    const own = await startEdgeApp();
    const endless = await RawConnection.open(own.port);
    endless.send('GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await endless.response();
    const started = performance.now();
    expect(await drain(own.app, { graceSeconds: 0.2, onDrain: () => undefined })).toBe(1);
    expect(performance.now() - started).toBeLessThan(2_000);
    await eventually(() => own.records.some(({ aborted }) => aborted));
    endless.close();
  });
});
