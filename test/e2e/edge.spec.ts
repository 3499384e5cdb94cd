import { configureLog } from '../../src/platform/logging/log.js';
import { type EdgeApp, startEdgeApp } from '../support/edge-app.js';
import { eventually } from '../support/eventually.js';

let edge: EdgeApp;
let base: string;

beforeAll(async () => {
  edge = await startEdgeApp();
  base = `http://127.0.0.1:${edge.port}`;
});

beforeEach(() => {
  edge.records.length = 0;
});

afterAll(() => edge.close());

async function get(path: string, init: RequestInit = {}) {
  const response = await fetch(base + path, init);
  const text = await response.text();
  const body = text.startsWith('{') ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body, text };
}

/** The one record of the request just made; it is handed on a moment after the caller has its answer. */
async function onlyRecord() {
  await eventually(() => edge.records.length > 0);
  expect(edge.records).toHaveLength(1);
  const [record] = edge.records;
  if (record === undefined) throw new Error('There is no record.');
  return record;
}

describe('request ids', () => {
  it("keeps a caller's well-formed id, on the answer and in the record", async () => {
    const { headers } = await get('/api/v1/who', { headers: { 'x-request-id': 'my-id.1_A' } });
    expect(headers.get('x-request-id')).toBe('my-id.1_A');
    expect((await onlyRecord()).requestId).toBe('my-id.1_A');
  });

  it.each(['a b', 'x'.repeat(65), '<script>', 'a,b'])('replaces %p', async (incoming) => {
    const { headers } = await get('/api/v1/who', { headers: { 'x-request-id': incoming } });
    expect(headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{24}$/);
  });

  it.each([
    ['/api/v1/who', 200],
    ['/nothing', 404],
    ['/v1/nothing', 404],
    ['/v1/broken', 500],
    ['/v1/limited', 429],
    ['/v1/hijacked-error', 429],
    ['/api/v1/who%zz', 400],
    [`/api/v1/who?${'x'.repeat(8_200)}`, 414],
    ['/docs', 200],
    ['/docs/swagger-ui.css', 200],
    ['/docs/nothing.js', 404],
    ['/openapi.json', 200],
    ['/health/live', 200],
  ])('%.24s has one, whatever the status', async (path, status) => {
    const response = await get(path);
    expect(response.status).toBe(status);
    expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{24}$/);
    expect((await onlyRecord()).status).toBe(status);
  });
});

describe('errors by surface', () => {
  it('core: a problem document whose instance has no query', async () => {
    const { status, headers, body } = await get('/api/v1/nothing?api_key=canary');
    expect(status).toBe(404);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'There is nothing at this path for this method.',
      instance: '/api/v1/nothing',
      code: 'not_found',
      request_id: headers.get('x-request-id'),
    });
    expect(await onlyRecord()).toMatchObject({ route: null, errorCode: 'not_found' });
  });

  it('OpenAI', async () => {
    const { body, headers, status } = await get('/v1/limited');
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBe('7');
    expect(body.error).toEqual({
      message: 'Too many requests.',
      type: 'requests',
      param: null,
      code: 'rate_limit_exceeded',
    });
    expect(await onlyRecord()).toMatchObject({ route: '/v1/limited', errorCode: 'rate_limited' });
  });

  it('Anthropic, with the id also where its SDK looks for it', async () => {
    const { body, headers } = await get('/v1/messages/nothing');
    const id = headers.get('x-request-id');
    expect(body).toEqual({
      type: 'error',
      error: { type: 'not_found_error', message: 'There is nothing at this path for this method.' },
      request_id: id,
    });
    expect(headers.get('request-id')).toBe(id);
  });

  it('Google', async () => {
    expect((await get('/v1beta/nothing')).body).toEqual({
      error: { code: 404, message: 'There is nothing at this path for this method.', status: 'NOT_FOUND' },
    });
  });

  it("carries an error's own headers", async () => {
    const { status, headers, body } = await get('/api/v1/refused', { method: 'POST' });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toContain('Bearer realm="core-nest"');
    expect(body.code).toBe('missing_credentials');
  });

  it('is the same on a hijacked reply', async () => {
    const [plain, hijacked] = [await get('/v1/limited'), await get('/v1/hijacked-error')];
    expect(hijacked.body).toEqual(plain.body);
    expect(hijacked.headers.get('retry-after')).toBe('7');
    expect(hijacked.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('says 503 and when to come back while PostgreSQL is away', async () => {
    const { status, headers, body } = await get('/api/v1/database-away');
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body.code).toBe('service_unavailable');
  });

  it('is bare after an unexpected fault; one line with the request id, and no message, is logged', async () => {
    const lines: string[] = [];
    configureLog('error', { write: (line) => lines.push(line) });
    const { status, body, text, headers } = await get('/v1/broken');
    configureLog('silent');
    expect(status).toBe(500);
    expect(body.error.code).toBe('internal_error');
    expect(text).not.toContain('secret-in-message');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      error: 'TypeError',
      request_id: headers.get('x-request-id'),
    });
    expect(lines[0]).not.toContain('secret-in-message');
  });
});

describe('bodies of management routes', () => {
  const post = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
    get('/api/v1/things', { method: 'POST', body, headers });

  it('are read and validated', async () => {
    expect(await post('{"name":"x","size":2}')).toMatchObject({ status: 201, body: { name: 'x', size: 2 } });
    expect((await onlyRecord()).bytesIn).toBe(21);
  });

  it('name every wrong field', async () => {
    const { status, body } = await post('{"name":7,"size":"x","admin":true}');
    expect(status).toBe(400);
    expect(body.code).toBe('invalid_request');
    expect(body.errors.map((error: { location: string }) => error.location).sort()).toEqual([
      'body.admin',
      'body.name',
      'body.name',
      'body.size',
    ]);
  });

  it.each([
    ['', 400, 'invalid_request'],
    ['{', 400, 'malformed_body'],
    ['{"name":"a","name":"b"}', 400, 'malformed_body'],
    ['{"__proto__":{"name":"x"}}', 400, 'malformed_body'],
    ['{"name":"a\\u0000"}', 400, 'malformed_body'],
    ['[]', 400, 'invalid_request'],
    [`{"name":"${'x'.repeat(110_000)}"}`, 413, 'payload_too_large'],
  ])('refuse %.30s with %i %s', async (text, status, code) => {
    expect(await post(text)).toMatchObject({ status, body: { code } });
  });

  it.each(['text/plain', 'application/json-patch+json', 'application/x-www-form-urlencoded', 'garbage'])(
    'refuse %s with 415',
    async (type) => {
      const { status, body } = await post('{"name":"x"}', { 'content-type': type });
      expect(status).toBe(415);
      expect(body.code).toBe('unsupported_media_type');
    },
  );

  it('refuse an encoded body', async () => {
    const { status } = await post('x', { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    expect(status).toBe(415);
  });

  it('accept the charset they are in', async () => {
    expect((await post('{"name":"x"}', { 'content-type': 'Application/JSON; charset=UTF-8' })).status).toBe(201);
  });
});

describe('facts of the caller', () => {
  it('ignores forwarding headers of a peer that is no trusted proxy', async () => {
    const { body } = await get('/api/v1/who', {
      headers: { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=203.0.113.8', 'x-real-ip': '203.0.113.9' },
    });
    expect(body.address).toBe('127.0.0.1');
  });

  it('takes a trace on, or starts one', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    expect((await get('/api/v1/who', { headers: { traceparent } })).body.traceparent).toBe(traceparent);
    expect((await get('/api/v1/who')).body.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it('names the kind of caller and nothing of its own text', async () => {
    const { body } = await get('/api/v1/who', { headers: { 'user-agent': 'OpenAI/Python 1.61 secret' } });
    expect(body.callerKind).toBe('openai-python');
    expect(JSON.stringify(await onlyRecord())).not.toContain('secret');
  });
});

describe('behind a trusted proxy', () => {
  it('takes the right-most hop that is not trusted', async () => {
    const behind = await startEdgeApp({ TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' });
    try {
      const who = async (hops: string) =>
        (await (
          await fetch(`http://127.0.0.1:${behind.port}/api/v1/who`, { headers: { 'x-forwarded-for': hops } })
        ).json()) as { address: string };
      expect((await who('203.0.113.7')).address).toBe('203.0.113.7');
      expect((await who('198.51.100.1, 203.0.113.7, 10.1.1.1')).address).toBe('203.0.113.7');
      expect((await who('nonsense')).address).toBe('127.0.0.1');
      expect(behind.records.map(({ address }) => address)).toContain('203.0.113.7');
    } finally {
      await behind.close();
    }
  });
});

describe('headers of every answer', () => {
  it('forbid caching, sniffing, framing and scripts', async () => {
    const { headers } = await get('/api/v1/who');
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('server')).toBeNull();
  });

  it('allow scripts on /docs only, and only from this server', async () => {
    const { headers, text } = await get('/docs');
    expect(headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(text).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
  });
});

describe('CORS', () => {
  const preflight = (port: number, origin: string) =>
    fetch(`http://127.0.0.1:${port}/api/v1/who`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-api-key' },
    });

  it('is off by default', async () => {
    const response = await preflight(edge.port, 'https://app.example.com');
    expect(response.status).toBe(404);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    const { headers } = await get('/api/v1/who', { headers: { origin: 'https://app.example.com' } });
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  it('answers the origins on the list, and no other', async () => {
    const open = await startEdgeApp({ CORS_ALLOWED_ORIGINS: 'https://app.example.com,https://b.example.com' });
    try {
      const allowed = await preflight(open.port, 'https://app.example.com');
      expect(allowed.status).toBe(204);
      expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
      expect(allowed.headers.get('access-control-allow-headers')).toBe('x-api-key');
      expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
      expect(allowed.headers.get('x-request-id')).toMatch(/^req_/);
      for (const other of [
        'https://evil.example.com',
        'https://app.example.com.evil.com',
        'null',
        'http://app.example.com',
      ])
        expect((await preflight(open.port, other)).headers.get('access-control-allow-origin')).toBeNull();
      const actual = await fetch(`http://127.0.0.1:${open.port}/v1/limited`, {
        headers: { origin: 'https://b.example.com' },
      });
      expect(actual.status).toBe(429);
      expect(actual.headers.get('access-control-allow-origin')).toBe('https://b.example.com');
      expect(actual.headers.get('access-control-expose-headers')).toContain('X-Request-Id');
      expect(actual.headers.get('vary')).toContain('Origin');
    } finally {
      await open.close();
    }
  });
});

describe('/openapi.json', () => {
  it('says for each operation what its guards ask for', async () => {
    const { body } = await get('/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(body.paths['/health/live'].get.security).toEqual([]);
    const make = body.paths['/api/v1/things'].post;
    expect(make['x-permission']).toBe('clients:write');
    expect(make.security).toEqual([
      { bearer: [] },
      { basic: [] },
      { x_api_key: [] },
      { api_key: [] },
      { x_goog_api_key: [] },
      { session: [] },
    ]);
    expect(make.requestBody.content['application/json'].schema).toBeDefined();
    expect(body.paths['/api/v1/objects'].post).toMatchObject({
      'x-permission': 'clients:write',
      security: make.security,
    });
    const schemes = Object.keys(body.components.securitySchemes);
    for (const path of Object.values(body.paths as Record<string, Record<string, { security?: object[] }>>))
      for (const operation of Object.values(path)) {
        expect(operation.security).toBeDefined();
        for (const entry of operation.security ?? []) expect(schemes).toContain(Object.keys(entry)[0]);
      }
  });

  it('is not there, nor is /docs, when the operator says so', async () => {
    const closed = await startEdgeApp({ DOCS: 'off' });
    try {
      for (const path of ['/openapi.json', '/docs', '/docs/swagger-ui.css'])
        expect((await fetch(`http://127.0.0.1:${closed.port}${path}`)).status).toBe(404);
    } finally {
      await closed.close();
    }
  });
});

describe('/health and /metrics', () => {
  it('is alive before it is ready', async () => {
    expect(await get('/health/live')).toMatchObject({ status: 200, body: { status: 'live' } });
    expect(await get('/health/ready')).toMatchObject({
      status: 503,
      body: { status: 'not_ready', checks: { process: 'warming_up', redis: 'off' } },
    });
  });

  it('counts requests by route template', async () => {
    await get('/v1/limited');
    await eventually(() => edge.records.length > 0);
    const { text, headers } = await get('/metrics');
    expect(headers.get('content-type')).toContain('text/plain');
    expect(text).toMatch(
      /http_requests_total\{surface="openai",method="GET",route="\/v1\/limited",status_class="4xx"\} \d/,
    );
    expect(text).toContain('core_nest_redis_usable 0');
  });
});
