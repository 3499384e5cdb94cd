import { startApp, type TestApp } from '../support/app.js';
import type { InsertedClient } from '../support/insert-client.js';

let app: TestApp;
let admin: InsertedClient;
let subject: InsertedClient;

beforeAll(async () => {
  app = await startApp();
  admin = await app.createClient({ scopes: ['admin'] });
});

afterAll(() => app?.stop());

beforeEach(async () => {
  subject = await app.createClient({ name: 'the subject', tier: 'free', scopes: ['llm:invoke'] });
});

async function call(method: string, path: string, body?: string, key = admin.apiKey) {
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: { 'x-api-key': key, ...(body !== undefined && { 'content-type': 'application/json' }) },
    body,
  });
  const text = await response.text();
  return { status: response.status, text, json: text.startsWith('{') ? JSON.parse(text) : null };
}

const stored = async () =>
  (await app.database.query('SELECT * FROM clients WHERE client_id = $1', [subject.clientId]))[0];
const clientPath = () => `/api/v1/clients/${subject.clientId}`;

const FIELDS_OF_ITS_OWN = [
  'client_id',
  'clientId',
  'id',
  'version',
  'secrets',
  'client_secret',
  'hashed_secret',
  'hashedSecret',
  'api_key',
  'created_at',
  'createdAt',
  'updated_at',
  'is_admin',
  'toString',
  'valueOf',
  'hasOwnProperty',
  '__defineGetter__',
  '',
];

describe('mass assignment', () => {
  it.each(FIELDS_OF_ITS_OWN)('of "%s" is refused by name, and changes nothing', async (field) => {
    const before = await stored();
    const made = await call('POST', '/api/v1/clients', JSON.stringify({ name: 'x', [field]: 'x' }));
    expect(made).toMatchObject({ status: 400, json: { code: 'invalid_request' } });
    expect(made.json.errors).toContainEqual({ location: `body.${field}`, message: 'is not a field of this request' });
    const changed = await call('PATCH', clientPath(), JSON.stringify({ name: 'x', [field]: 'x' }));
    expect(changed.status).toBe(400);
    expect(await stored()).toEqual(before);
  });

  it('of what only making a client takes is refused when changing one', async () => {
    const before = await stored();
    expect((await call('PATCH', clientPath(), '{"environment":"test"}')).status).toBe(400);
    expect(await stored()).toEqual(before);
  });

  it('reaches no scope that the caller does not hold, nor its own', async () => {
    const writer = await app.createClient({ scopes: ['clients:write'] });
    for (const scopes of [['admin'], ['clients:write', 'clients:delete']]) {
      const body = JSON.stringify({ name: 'x', scopes });
      expect((await call('POST', '/api/v1/clients', body, writer.apiKey)).status).toBe(403);
      const own = await call('PATCH', `/api/v1/clients/${writer.clientId}`, JSON.stringify({ scopes }), writer.apiKey);
      expect(own.status).toBe(403);
    }
  });
});

describe('prototype pollution', () => {
  const POISONS = [
    '{"name":"x","__proto__":{"scopes":["admin"],"polluted":true}}',
    '{"name":"x","constructor":{"prototype":{"polluted":true}}}',
    '{"__proto__":{"name":"x"}}',
    '{"name":"x","scopes":{"__proto__":["admin"]}}',
    '{"name":"x","\\u005f_proto__":{"polluted":true}}',
    '{"name":"x","prototype":{"polluted":true}}',
  ];

  it.each(POISONS)('%s is refused and leaves no trace', async (body) => {
    for (const [method, path] of [
      ['POST', '/api/v1/clients'],
      ['PATCH', clientPath()],
      ['POST', '/api/v1/query'],
    ] as const) {
      expect((await call(method, path, body)).status).toBe(400);
    }
    await call('POST', '/v1/chat/completions', body);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(({} as { scopes?: unknown }).scopes).toBeUndefined();
  });

  it.each(['__proto__[polluted]=1', '__proto__.polluted=1', 'constructor[prototype][polluted]=1', '__proto__=1'])(
    '?%s is refused or ignored, and leaves no trace',
    async (query) => {
      for (const path of ['/api/v1/clients', '/api/v1/api-logs'])
        expect([200, 400]).toContain((await call('GET', `${path}?${query}`)).status);
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    },
  );
});

describe('bodies that are awkward', () => {
  const AWKWARD: Record<string, string> = {
    'a NUL': '{"name":"a\\u0000b"}',
    'a raw NUL': '{"name":"a\u0000b"}',
    'a name that is a NUL': '{"name":"x","\\u0000":1}',
    'half of a surrogate pair': '{"name":"\\ud800"}',
    'the same name twice': '{"name":"x","name":"y"}',
    'the same name twice, one escaped': '{"name":"x","n\\u0061me":"y"}',
    '10,000 levels': `{"name":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    '100,000 opened and never closed': '['.repeat(100_000),
    '10,000 objects in each other': `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
    'a number beyond all': '{"name":1e999999}',
    'a long number': `{"name":${'9'.repeat(50_000)}}`,
    '9,000 fields': `{${Array.from({ length: 9_000 }, (_, i) => `"f${i}":1`).join(',')}}`,
    'a list': '[]',
    'a text': '"name"',
    nothing: '',
    'not JSON': '{name:x}',
    'JSON and more': '{"name":"x"}{"name":"y"}',
    'a byte order mark': '\ufeff{"name":"x","tier":"x"}',
  };

  it.each(Object.keys(AWKWARD))('%s: 400 from every route that reads one', async (what) => {
    const routes = [
      ['POST', '/api/v1/clients'],
      ['PATCH', clientPath()],
      ['POST', '/api/v1/query'],
      ['POST', '/v1/chat/completions'],
      ['POST', '/v1/messages'],
      ['POST', '/v1/embeddings'],
      ['POST', '/v1/responses'],
    ] as const;
    const body = AWKWARD[what] as string;
    for (const [method, path] of routes) {
      const { status } = await call(method, path, body);
      expect({ path, status }).toEqual({ path, status: 400 });
    }
    // The path names the model here, and whatever object is sent goes on to the provider as it is.
    expect((await call('POST', '/v1beta/models/core-nest%2Fecho:generateContent', body)).status).toBeLessThan(500);
  });

  it('bytes that are no UTF-8 are 400', async () => {
    const body = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from('"}')]);
    const headers = { 'x-api-key': admin.apiKey, 'content-type': 'application/json' };
    for (const path of ['/api/v1/clients', '/v1/chat/completions'])
      expect((await fetch(`${app.url}${path}`, { method: 'POST', headers, body })).status).toBe(400);
  });
});

const SQL = [
  `'`,
  `"`,
  `' OR '1'='1`,
  `'; DROP TABLE clients; --`,
  `1; SELECT pg_sleep(5)`,
  `') UNION SELECT hashed_secret FROM client_secrets --`,
  '\\',
  '%',
  '_',
  '$1',
  ':status',
  '$$;$$',
  '{}',
  '\u0000',
  '\ud800',
  '/*',
  'a'.repeat(5_000),
  '٣',
];

describe('SQL in a list', () => {
  const cursorOf = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const columns = {
    clients: ['status', 'tier', 'environment', 'name', 'created_after', 'created_before', 'sort', 'cursor', 'limit'],
    'api-logs': [
      'status',
      'method',
      'client_id',
      'auth_method',
      'caller_kind',
      'provider',
      'model',
      'request_id',
    ].concat(['error_code', 'created_after', 'created_before', 'sort', 'cursor', 'limit']),
  };
  const cases = Object.entries(columns).flatMap(([list, names]) => names.map((name) => [list, name] as const));

  it.each(cases)('%s?%s=: nothing found, or 400 naming it; never an error, never slow', async (list, name) => {
    const started = performance.now();
    for (const text of SQL) {
      const { status, json } = await call('GET', `/api/v1/${list}?${name}=${encoded(text)}`);
      if (status === 200) expect(json.data).toEqual([]);
      else {
        expect({ text, status }).toEqual({ text, status: 400 });
        expect(json.errors).toContainEqual(expect.objectContaining({ location: `query.${name}` }));
      }
      expect(JSON.stringify(json)).not.toContain('$2b$');
    }
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(await stored()).toBeDefined();
  });

  it.each([
    'password',
    'hashed_secret',
    'client_id; DROP TABLE clients',
    '__proto__',
    'constructor',
    '-',
    '--created_at',
  ])('the sort key "%s" is 400', async (sort) => {
    for (const list of ['clients', 'api-logs']) {
      const { status, json } = await call('GET', `/api/v1/${list}?sort=${encodeURIComponent(sort)}`);
      expect(status).toBe(400);
      expect(json.errors[0].location).toBe('query.sort');
    }
  });

  it('a cursor made by hand is 400, or a position like any other', async () => {
    const id = '00000000-0000-0000-0000-000000000000';
    const positions: unknown[] = SQL.flatMap((text) => [
      ['-created_at', text, subject.clientId],
      ['-created_at', '2026-01-01T00:00:00.000000Z', text],
      [text, '2026-01-01T00:00:00Z', id],
      ['-created_at', text, id],
    ]);
    positions.push(null, {}, [], [1, 2, 3], ['-created_at', '9999-99-99T99:99:99Z', id], ['-created_at', {}, []]);
    positions.push(
      ['-created_at', '2026-02-30T00:00:00.000000Z', id],
      ['-created_at', '0000-01-01T00:00:00.000000Z', id],
    );
    for (const list of ['clients', 'api-logs'])
      for (const position of positions) {
        const { status } = await call('GET', `/api/v1/${list}?cursor=${cursorOf(position)}`);
        expect({ list, position, status }).toEqual({ list, position, status: 400 });
      }
    for (const text of SQL.filter((each) => each.length < 256 && each !== '\u0000')) {
      const cursor = cursorOf(['name', text, subject.clientId]);
      expect((await call('GET', `/api/v1/clients?sort=name&cursor=${cursor}`)).status).toBe(200);
    }
  });

  it('in the name of a client it is a text like any other', async () => {
    const name = `'; DROP TABLE clients; -- " \\ $1 %`;
    const made = await call('POST', '/api/v1/clients', JSON.stringify({ name }));
    expect(made).toMatchObject({ status: 201, json: { name } });
    const found = await call('GET', `/api/v1/clients?name=${encodeURIComponent(name)}`);
    expect(found.json.data).toHaveLength(1);
  });
});

describe('an id of the path', () => {
  it.each([...SQL.map(encoded), '..%2f..', '%2e%2e', '%00', 'cn_live_', 'CN_LIVE_000000000000'])(
    '%s names nobody',
    async (id) => {
      for (const method of ['GET', 'DELETE'])
        expect([400, 404, 414]).toContain((await call(method, `/api/v1/clients/${id}`)).status);
      expect([400, 404, 414]).toContain((await call('PATCH', `/api/v1/clients/${id}`, '{"name":"x"}')).status);
      expect(await stored()).toBeDefined();
    },
  );
});

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
