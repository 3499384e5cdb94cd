import { crc32 } from 'node:zlib';
import { startApp, type TestApp } from '../support/app.js';
import { type InsertedClient, wrongKeyOf } from '../support/insert-client.js';
import { RawConnection } from '../support/raw-http.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

type Line = readonly [name: string, value: string];

let database: TestDatabase;
let redis: TestRedis;
let toPostgres: TcpProxy;
let toRedis: TcpProxy;
let app: TestApp;
let client: InsertedClient;
let other: InsertedClient;

beforeAll(async () => {
  [database, redis] = await Promise.all([createTestDatabase(), createTestRedis()]);
  [toPostgres, toRedis] = await Promise.all([TcpProxy.start(database.url), TcpProxy.start(redis.url)]);
  const settings = { DATABASE_URL: toPostgres.through(database.url), REDIS_URL: toRedis.through(redis.url) };
  app = await startApp({ database, redis, settings });
  client = await app.createClient({ scopes: ['llm:invoke'] });
  other = await app.createClient({ scopes: ['llm:invoke'] });
});

afterAll(async () => {
  await app?.stop();
  await Promise.all([toPostgres?.stop(), toRedis?.stop()]);
  await Promise.all([database?.drop(), redis?.drop()]);
});

/** Asks with exactly these header lines, in this order: HTTP clients would join or drop some. */
async function ask(lines: readonly Line[], target = 'GET /api/v1/whoami', body = '') {
  const connection = await RawConnection.open(app.port);
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const framing = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  connection.send(`${target} HTTP/1.1\r\nHost: x\r\n${head}${framing}\r\n${body}`);
  const response = await connection.response();
  connection.close();
  if (response === null) throw new Error('The connection ended without an answer.');
  const json = JSON.parse(response.body);
  return { ...response, json, code: json.code ?? json.error?.status ?? json.error?.code ?? null };
}

const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const basicOf = ({ clientId, apiKey }: InsertedClient) => basic(clientId, apiKey.slice(clientId.length + 1));

/** One line for each way of saying who is calling. */
const FORMS: Record<string, (of: InsertedClient) => Line> = {
  bearer: ({ apiKey }) => ['Authorization', `Bearer ${apiKey}`],
  basic: (of) => ['Authorization', basicOf(of)],
  'X-API-Key': ({ apiKey }) => ['X-API-Key', apiKey],
  'api-key': ({ apiKey }) => ['api-key', apiKey],
  'x-goog-api-key': ({ apiKey }) => ['x-goog-api-key', apiKey],
};
const NAMES = Object.keys(FORMS);
const line = (form: string, of: InsertedClient) => (FORMS[form] as (of: InsertedClient) => Line)(of);

describe('each way of saying who is calling', () => {
  it.each(NAMES)('%s', async (form) => {
    const { status, json, headers } = await ask([line(form, client)]);
    expect(status).toBe(200);
    expect(json).toMatchObject({ method: 'client', client_id: client.clientId, user_id: null, provider: null });
    expect(headers['cache-control']).toBe('no-store');
  });

  it.each<[string, () => Line]>([
    ['a header name in capitals', () => ['X-GOOG-API-KEY', client.apiKey]],
    ['a scheme in capitals', () => ['AUTHORIZATION', `BEARER ${client.apiKey}`]],
    ['a scheme in small letters', () => ['authorization', `bearer ${client.apiKey}`]],
    ['Basic in small letters', () => ['Authorization', basicOf(client).replace('Basic', 'basic')]],
    ['blanks around the value, which are not part of it', () => ['X-API-Key', `  ${client.apiKey} \t`]],
  ])('%s', async (_what, form) => {
    expect((await ask([form()])).json).toMatchObject({ client_id: client.clientId });
  });

  it('a provider token alone, and beside an identity', async () => {
    const token: Line = ['X-Provider-Token', 'sk-of-the-caller'];
    expect((await ask([token])).json).toMatchObject({ method: 'byot', client_id: null, provider: null, scopes: null });
    const attributed = await ask([token, ['X-Provider', 'openai'], line('bearer', client)]);
    expect(attributed.json).toMatchObject({ method: 'client', client_id: client.clientId, provider: 'openai' });
  });

  it('a provider token does not cover for a wrong identity', async () => {
    const wrong = await ask([
      ['X-Provider-Token', 'sk-of-the-caller'],
      ['X-API-Key', wrongKeyOf(client.clientId)],
    ]);
    expect(wrong).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });
});

describe('more than one', () => {
  const pairs = NAMES.flatMap((first) => NAMES.map((second) => [first, second] as const));

  it.each(pairs)('%s and %s: refused, be they of one client, of two, or the second not one at all', async (a, b) => {
    for (const second of [line(b, client), line(b, other), [line(b, client)[0], 'x'], [line(b, client)[0], '']]) {
      const { status, code, headers } = await ask([line(a, client), second as Line]);
      expect([status, code]).toEqual([400, 'ambiguous_credentials']);
      expect(headers['x-request-id']).toMatch(/^req_/);
    }
  });

  it.each(['X-Provider-Token', 'X-Provider'])('%s twice', async (name) => {
    const twice: Line[] = [
      [name, 'openai'],
      ['X-Other', 'between'],
      [name.toLowerCase(), 'openai'],
    ];
    expect(await ask(twice)).toMatchObject({ status: 400, code: 'ambiguous_credentials' });
    expect(await ask([line('bearer', client), ...twice])).toMatchObject({ status: 400, code: 'ambiguous_credentials' });
  });

  it('two keys joined in one header are no key', async () => {
    for (const glue of [',', ', ', ' ', ';']) {
      const { status } = await ask([['X-API-Key', `${client.apiKey}${glue}${client.apiKey}`]]);
      expect(status).toBe(401);
    }
  });

  it.each([
    ['POST /v1/chat/completions', (body: Shape) => body.error?.code === 'ambiguous_credentials'],
    ['POST /v1/messages', (body: Shape) => body.error?.type === 'invalid_request_error'],
    ['POST /v1beta/models/core-nest/echo:generateContent', (body: Shape) => body.error?.status === 'INVALID_ARGUMENT'],
  ])('%s says so in its own dialect', async (target, isDialect) => {
    const { status, json } = await ask([line('bearer', client), line('x-goog-api-key', client)], target);
    expect(status).toBe(400);
    expect(isDialect(json)).toBe(true);
  });
});

interface Shape {
  readonly error?: { readonly code?: string; readonly type?: string; readonly status?: string };
}

describe('where no credential is read', () => {
  it.each([
    'key',
    'api_key',
    'apikey',
    'access_token',
    'token',
    'x-api-key',
    'X-API-Key',
    'authorization',
    'client_id',
  ])('the query string (?%s=)', async (name) => {
    const query = `?${name}=${encodeURIComponent(name === 'authorization' ? `Bearer ${client.apiKey}` : client.apiKey)}`;
    const alone = await ask([], `GET /api/v1/whoami${query}`);
    expect(alone).toMatchObject({ status: 401, code: 'missing_credentials' });
    expect(alone.body).not.toContain(client.apiKey);
    const beside = await ask([line('bearer', other)], `GET /api/v1/whoami${query}`);
    expect(beside.json).toMatchObject({ client_id: other.clientId });
    const gemini = await ask([], `POST /v1beta/models/core-nest/echo:generateContent${query}`, '{"contents":[]}');
    expect(gemini).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  });

  it.each(['api_key', 'key', 'access_token', 'client_secret'])('a body (%s)', async (name) => {
    const { clientId, apiKey } = client;
    const fields = { [name]: apiKey, client_id: clientId, model: 'core-nest/echo', messages: [] };
    const json = await ask([], 'POST /v1/chat/completions', JSON.stringify(fields));
    expect(json).toMatchObject({ status: 401, code: 'missing_credentials' });
  });

  it.each(['Cookie', 'Proxy-Authorization', 'X-Auth-Token', 'X-Forwarded-User', 'Authentication', 'X_API_Key'])(
    'the header %s',
    async (name) => {
      const value = name === 'Cookie' ? `api_key=${client.apiKey}` : `Bearer ${client.apiKey}`;
      expect(await ask([[name, value]])).toMatchObject({ status: 401, code: 'missing_credentials' });
    },
  );
});

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The api key of an id and 30 characters, its checksum worked out here from the contract's words. */
function keyOf(clientId: string, secret: string): string {
  let checksum = '';
  for (let rest = crc32(`${clientId}_${secret}`); checksum.length < 6; rest = Math.floor(rest / 62))
    checksum = `${DIGITS[rest % 62]}${checksum}`;
  return `${clientId}_${secret}${checksum}`;
}

const flipCase = (text: string) =>
  text.replace(/[a-z]/i, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));
const flipId = (id: string) => id.slice(0, 8) + flipCase(id.slice(8));

describe('a key that is nearly right', () => {
  it('is the one that the contract describes', () => {
    expect(keyOf(client.clientId, client.secret)).toBe(client.apiKey);
  });

  it('is refused with the id in another case, its checksum right', async () => {
    const named = await app.createClient({ clientId: `cn_live_${'aB3'.repeat(4)}` });
    expect((await ask([['X-API-Key', named.apiKey]])).status).toBe(200);
    const flipped = keyOf(flipId(named.clientId), named.secret);
    expect(await ask([['X-API-Key', flipped]])).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  it('is refused with the secret in another case or of another client, its checksum right', async () => {
    for (const secret of [flipCase(client.secret), other.secret])
      expect((await ask([['X-API-Key', keyOf(client.clientId, secret)]])).status).toBe(401);
  });
});

describe('a credential that is malformed', () => {
  const malformed = (): Record<string, Line> => ({
    'a wrong checksum': ['X-API-Key', `${client.apiKey.slice(0, -1)}${client.apiKey.endsWith('0') ? '1' : '0'}`],
    'an id in another case': ['X-API-Key', flipId(client.clientId) + client.apiKey.slice(20)],
    'a prefix in capitals': ['X-API-Key', client.apiKey.replace('cn_', 'CN_')],
    'one character less': ['X-API-Key', client.apiKey.slice(0, -1)],
    'one character more': ['X-API-Key', `${client.apiKey}0`],
    'a very long one': ['X-API-Key', client.apiKey.repeat(100)],
    nothing: ['X-API-Key', ''],
    'a byte beyond ASCII': ['X-API-Key', `${client.apiKey.slice(0, -1)}\u00e9`],
    'quotation marks': ['X-API-Key', `"${client.apiKey}"`],
    'percent-encoding': ['X-API-Key', client.apiKey.replace('_', '%5F')],
    'a scheme where none belongs': ['X-API-Key', `Bearer ${client.apiKey}`],
    'no scheme where one belongs': ['Authorization', client.apiKey],
    'another scheme': ['Authorization', `Token ${client.apiKey}`],
    'a scheme alone': ['Authorization', 'Bearer'],
    'two blanks': ['Authorization', `Bearer  ${client.apiKey}`],
    'a key and more': ['Authorization', `Bearer ${client.apiKey} x`],
    'somebody else s token': ['Authorization', 'Bearer sk-proj-0123456789abcdef'],
    'Basic that is no base64': ['Authorization', 'Basic ****'],
    'Basic alone': ['Authorization', 'Basic'],
    'Basic without a colon': ['Authorization', `Basic ${Buffer.from(client.apiKey).toString('base64')}`],
    'Basic with padding that does not belong': ['Authorization', `${basicOf(client)}=`],
    'Basic with a whole key for a secret': ['Authorization', basic(client.clientId, client.apiKey)],
    'Basic with a blank behind the secret': ['Authorization', basic(client.clientId, `${client.apiKey.slice(21)} `)],
    'Basic with the id in another case': ['Authorization', basic(flipId(client.clientId), client.apiKey.slice(21))],
  });

  /** What is left of a refusal without what is each request's own. */
  const essence = ({ status, headers, json }: Awaited<ReturnType<typeof ask>>) => ({
    status,
    challenge: headers['www-authenticate'],
    body: { ...json, request_id: null },
  });

  it('is refused alike, and the same without PostgreSQL and Redis: they are not asked', async () => {
    const reference = essence(await ask([['X-API-Key', wrongKeyOf(client.clientId)]]));
    expect(reference).toMatchObject({ status: 401, body: { code: 'invalid_api_key' } });
    const refuseAll = async () => {
      for (const [what, value] of Object.entries(malformed()))
        expect({ what, ...essence(await ask([value])) }).toEqual({ what, ...reference });
    };
    await refuseAll();

    await Promise.all([toPostgres.refuse(), toRedis.refuse()]);
    try {
      await refuseAll();
      const undecidable = await ask([['X-API-Key', wrongKeyOf('cn_live_000000000000')]]);
      expect(undecidable).toMatchObject({ status: 503, code: 'auth_unavailable' });
      expect(Number(undecidable.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    } finally {
      await Promise.all([toPostgres.heal(), toRedis.heal()]);
    }
  });
});
