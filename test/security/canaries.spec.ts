import { once } from 'node:events';
import { generateClientId } from '../../src/identity/clients/api-key.js';
import { Canaries } from '../support/canaries.js';
import { eventually } from '../support/eventually.js';
import { wrongKeyOf } from '../support/insert-client.js';
import { RawConnection } from '../support/raw-http.js';
import { bodyFor, formsOf, noise, OUTCOMES, type Outcome, UNROUTED } from '../support/spray-cases.js';
import { type Line, type SprayedApp, startSprayedApp } from '../support/sprayed-app.js';
import { everythingInPostgres, everythingInRedis } from '../support/stored.js';

const CHUNKED = 'api-key: KEY\r\nTransfer-Encoding: chunked\r\n\r\n';

const canaries = new Canaries();
let app: SprayedApp;
let key: string;
let admin: Line;

beforeAll(async () => {
  app = await startSprayedApp(canaries);
  admin = ['X-API-Key', app.admin.apiKey];
  key = await app.makeClient({ scopes: ['llm:invoke', 'logs:read', 'clients:read', 'metrics:read'] });
}, 60_000);

afterAll(() => app?.stop());

const token = (what: string): Line => [
  'X-Provider-Token',
  canaries.plant(`a provider token (${what})`, 'provider-token'),
];

function wrongKey(clientId: string): string {
  const wrong = wrongKeyOf(clientId);
  canaries.add('a wrong secret', wrong.slice(clientId.length + 1, -'012345'.length));
  return wrong;
}

const statusOf = async (target: string, lines: readonly Line[], body?: string) =>
  (await app.ask(target, lines, body))?.status ?? null;

/** One outcome for one kind of caller, noise in every other place; the status says that it was this outcome. */
async function spray(outcome: Outcome, who: string, identity: readonly Line[], expected: number): Promise<void> {
  const what = `${outcome.what}, ${who}`;
  const path = outcome.target.replace('PATH', canaries.plant(`the path (${what})`));
  const target = `${path}?key=${canaries.plant(`?key= (${what})`)}&api_key=${canaries.plant(`?api_key= (${what})`)}`;
  const lines: Line[] = [...identity, ...noise(canaries, what)];
  if (outcome.type !== undefined) lines.push(['Content-Type', outcome.type]);
  const status = await statusOf(target, lines, outcome.body(canaries));
  expect({ what, status }).toEqual({ what, status: expected });
}

describe('values put where credentials go', () => {
  it.each(OUTCOMES)('$what', async (outcome) => {
    const { what } = outcome;
    await Promise.all(formsOf(key).map(([form, line]) => spray(outcome, form, [line], outcome.client)));
    await spray(outcome, 'a provider token', [token(what)], outcome.byot);
    for (const wrong of [canaries.plant(`no key at all (${what})`), wrongKey(key.slice(0, 20))])
      for (const [form, line] of formsOf(wrong)) await spray(outcome, `wrong ${form}`, [line], 401);
    await spray(outcome, 'nobody', [], 401);
    const both: Line[] = [
      ['X-API-Key', canaries.plant('one of two')],
      ['api-key', canaries.plant('the other of two')],
    ];
    await spray(outcome, 'ambiguous', both, 400);
  });

  it.each(UNROUTED)('$what', async (outcome) => {
    for (const [form, line] of formsOf(key)) await spray(outcome, form, [line], outcome.client);
    await spray(outcome, 'a provider token', [token(outcome.what)], outcome.client);
    for (const [form, line] of formsOf(canaries.plant('no key'))) await spray(outcome, form, [line], outcome.client);
  });

  it('over a limit', async () => {
    const poor = await app.makeClient({ tier: 'free' });
    await app.ask('GET /api/v1/whoami', [['X-API-Key', poor]]);
    const [whoami] = OUTCOMES;
    for (const [form, line] of formsOf(poor)) await spray(whoami as Outcome, `limited, ${form}`, [line], 429);
  });

  it.each<[string, string, number]>([
    ['POST /api/v1/clients', '{"name":"x","CANARY":1}', 400],
    ['POST /api/v1/clients', '{"name":5,"tier":"CANARY","scopes":["CANARY"],"expires_at":"CANARY"}', 400],
    ['POST /api/v1/clients', '{"name":"x","client_secret":"CANARY"}', 400],
    ['POST /api/v1/clients', '{"name":"CANARY', 400],
    ['GET /api/v1/api-logs?sort=CANARY', '', 400],
    ['GET /api/v1/api-logs?cursor=CANARY', '', 400],
    ['GET /api/v1/api-logs?client_id=CANARY', '', 200],
    ['GET /api/v1/clients?name=CANARY', '', 200],
  ])('%s %s of an administrator', async (target, body, expected) => {
    const planted = (text: string) => text.replaceAll('CANARY', () => canaries.plant(`${target} ${body}`));
    expect(await statusOf(planted(target), [admin, ...noise(canaries, target)], planted(body))).toBe(expected);
  });

  it('a report of a leaked key', async () => {
    const leaked = await app.makeClient({ scopes: ['llm:invoke'] });
    const wrong = wrongKey(leaked.slice(0, 20));
    const report = (body: string) =>
      statusOf('POST /api/v1/leaked-keys', [['Content-Type', 'application/json'], ...noise(canaries, 'leak')], body);
    for (const planted of [
      '{"api_key":"CANARY"}',
      '{"api_key":["CANARY"]}',
      '{"CANARY":"CANARY"}',
      '{"api_key":"CANARY',
    ])
      expect(await report(planted.replaceAll('CANARY', () => canaries.plant('a report')))).toBe(400);
    expect(await report(JSON.stringify({ api_key: wrong.replace(/.$/, wrong.endsWith('0') ? '1' : '0') }))).toBe(400);
    expect(await report(JSON.stringify({ api_key: wrong }))).toBe(404);
    expect(await report(JSON.stringify({ api_key: leaked }))).toBe(200);
    expect(await report(JSON.stringify({ api_key: leaked }))).toBe(404);
  });

  it('a secret that is made beside another one, and asked for again', async () => {
    const made = await app.makeClient({ name: 'rotated' });
    const lines = [admin, ...noise(canaries, 'rotating')];
    for (let time = 0; time < 2; time++) {
      const target = `POST /api/v1/clients/${made.slice(0, 20)}/secrets`;
      const answer = await app.ask(target, lines, '{"expire_previous_in_seconds":60}');
      expect([answer?.status, answer?.headers['idempotent-replayed']]).toEqual([201, time === 0 ? undefined : 'true']);
      const { client_secret, api_key } = JSON.parse(answer?.body ?? '') as Record<string, string>;
      canaries.add('a rotated secret', client_secret?.slice(0, 30) ?? '');
      expect(await statusOf('GET /api/v1/whoami', [['X-API-Key', api_key ?? '']])).toBe(200);
    }
  });

  it.each<[string, string, number]>([
    ['no HTTP', 'CANARY\r\n\r\n', 400],
    ['a method nobody knows', 'CANARY / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a blank in a name', 'GET / HTTP/1.1\r\nHost: x\r\nX CANARY: CANARY\r\n\r\n', 400],
    ['no host', 'GET /CANARY HTTP/1.1\r\nX-API-Key: CANARY\r\n\r\n', 400],
    ['101 lines', `GET / HTTP/1.1\r\nHost: x\r\n${'X-API-Key: CANARY\r\n'.repeat(100)}\r\n`, 431],
    ['17 KB', `GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: CANARY${'x'.repeat(17_000)}\r\n\r\n`, 431],
    ['two lengths', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\nCookie: CANARY\r\n\r\n', 400],
    ['a bad chunk', `POST /v1/responses HTTP/1.1\r\nHost: x\r\n${CHUNKED}5\r\nCANARY\r\nCANARY\r\n`, 400],
  ])('bytes that are no request: %s', async (what, bytes, expected) => {
    const connection = await RawConnection.open(app.process.port);
    connection.send(bytes.replace('api-key: KEY', `api-key: ${key}`).replaceAll('CANARY', () => canaries.plant(what)));
    expect((await connection.response())?.status).toBe(expected);
    connection.close();
  });

  it('a caller that leaves', async () => {
    const connection = await RawConnection.open(app.process.port);
    const lines = [['X-API-Key', key] as Line, ...noise(canaries, 'leaving')];
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const body = bodyFor('openai/says-nothing')(canaries);
    const asked = app.upstream.requests.length;
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    await eventually(() => app.upstream.requests.length > asked);
    connection.close();
  });

  it('a database whose statements fail', async () => {
    expect(await statusOf('GET /api/v1/whoami', [admin])).toBe(200);
    await app.database.query('ALTER TABLE client_secrets RENAME TO client_secrets_away');
    try {
      const body = JSON.stringify({ name: canaries.plant('a name that could not be stored') });
      expect(await statusOf('POST /api/v1/clients', [admin, ...noise(canaries, 'failing')], body)).toBe(500);
      for (const [form, line] of formsOf(wrongKey(generateClientId('live'))))
        expect(await statusOf('GET /api/v1/whoami', [line, ...noise(canaries, `failing, ${form}`)])).toBe(503);
    } finally {
      await app.database.query('ALTER TABLE client_secrets_away RENAME TO client_secrets');
    }
  });

  it.each(['PostgreSQL', 'Redis', 'both'])('without %s', async (away) => {
    const unused = await app.makeClient({ scopes: ['llm:invoke'] });
    expect(await statusOf('GET /api/v1/whoami', [['X-API-Key', key]])).toBe(200);
    if (away !== 'Redis') await app.toPostgres.refuse();
    if (away !== 'PostgreSQL') await app.toRedis.refuse();
    try {
      const outcome = { ...(OUTCOMES[1] as Outcome), what: `without ${away}` };
      for (const [form, line] of formsOf(key)) await spray(outcome, form, [line], 200);
      const undecided = away === 'Redis' ? null : 503;
      for (const [form, line] of formsOf(unused)) await spray(outcome, `cold ${form}`, [line], undecided ?? 200);
      for (const [form, line] of formsOf(wrongKey(generateClientId('live'))))
        await spray(outcome, `unknown ${form}`, [line], undecided ?? 401);
      await spray(outcome, 'a provider token', [token(outcome.what)], 200);
      const body = JSON.stringify({ name: undecided ? canaries.plant('a name that could not be stored') : 'stored' });
      expect(await statusOf('POST /api/v1/clients', [admin], body)).toBe(undecided ?? 201);
    } finally {
      await Promise.all([app.toPostgres.heal(), app.toRedis.heal()]);
      const isReady = async () => (await app.ask('GET /health/ready', []))?.body.includes('"status":"ready"') === true;
      await eventually(isReady, 15_000);
    }
  });
});

describe('afterwards none of them is', () => {
  beforeAll(async () => {
    const id = 'the-last-of-them';
    await app.ask('GET /api/v1/whoami', [
      ['X-API-Key', key],
      ['X-Request-Id', id],
    ]);
    const row = 'SELECT 1 FROM api_logs WHERE request_id = $1';
    await eventually(async () => (await app.database.query(row, [id])).length === 1, 10_000);
    expect(canaries.count).toBeGreaterThan(5_000);
  }, 30_000);

  it('in a table', async () => {
    const stored = await everythingInPostgres(app.database);
    expect(stored).toContain('the-last-of-them');
    expect(stored).toContain(`${key.slice(0, 20)},$2b$04$`);
    expect(canaries.in(stored)).toEqual([]);
  });

  it('in Redis, nor in what Redis was told', async () => {
    const stored = await everythingInRedis(app.redis);
    expect(stored).toContain(`cn:{${key.slice(0, 20)}}:credential`);
    expect(canaries.in(stored)).toEqual([]);
    expect(app.toldRedis.length).toBeGreaterThan(100);
    expect(canaries.in(app.toldRedis.join('\n'))).toEqual([]);
  });

  it('in the metrics, nor in the log as the API shows it', async () => {
    const read = async (path: string) => (await app.ask(`GET ${path}`, [['X-API-Key', key]]))?.body ?? '';
    const metrics = await read('/metrics');
    expect(metrics).toContain('http_requests_total{');
    expect(canaries.in(metrics)).toEqual([]);
    let shown = '';
    for (let path = '/api/v1/api-logs?limit=200'; path !== ''; ) {
      const page = await read(path);
      shown += page;
      const { next_cursor: cursor } = JSON.parse(page);
      path = cursor === null ? '' : `/api/v1/api-logs?limit=200&cursor=${cursor}`;
    }
    for (const code of ['provider_timeout', 'ambiguous_credentials', 'invalid_api_key', 'auth_unavailable'])
      expect(shown).toContain(code);
    expect(canaries.in(shown)).toEqual([]);
  });

  it('with a provider, but for its own token and what it was to answer', () => {
    const { requests } = app.upstream;
    expect(requests.length).toBeGreaterThan(30);
    const all = requests.map(({ url, rawHeaders, body }) => [url, ...rawHeaders, body.toString()].join('\n'));
    expect(canaries.in(all.join('\n'), ['ours'])).toEqual([]);
    const withoutToken = requests.map(({ url, headers: { authorization, ...headers }, body }) => {
      expect(authorization).toMatch(/^Bearer canarybird[0-9a-f]{24}$/);
      return [url, JSON.stringify(headers), body.toString()].join('\n');
    });
    expect(canaries.in(withoutToken.join('\n'), ['ours', 'provider-token'])).toEqual([]);
    expect(canaries.in(withoutToken.join('\n'), ['content'])).not.toEqual([]);
  });

  it('on stdout or stderr, at the most talkative level, to the end of the process', async () => {
    const { child, output } = app.process;
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    for (const message of ['"unexpected failure"', '"stopped"', '"level":"debug"']) expect(output()).toContain(message);
    expect(canaries.in(output())).toEqual([]);
  });
});

describe('the search', () => {
  it('finds what is there, however it is spelt', () => {
    const own = new Canaries();
    const value = own.plant('made');
    own.add('added', 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5');
    for (const each of [value, 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5']) {
      const spelt = [each, each.toUpperCase(), `${each}%3D`, Buffer.from(each).toString('hex').toUpperCase()];
      for (const before of ['', 'a', 'ab', 'abc'])
        for (const encoding of ['base64', 'base64url'] as const)
          spelt.push(Buffer.from(`${before}${each}:after`).toString(encoding));
      for (const text of spelt) expect(own.in(`before ${text} after`)).not.toEqual([]);
    }
    expect(own.in('nothing of it')).toEqual([]);
  });
});
