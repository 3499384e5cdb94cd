import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { type AnswerCutter, startAnswerCutter } from '../support/answer-cutter.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { RawConnection } from '../support/raw-http.js';

interface Answer {
  readonly status: number;
  readonly replayed: string | null;
  readonly retryAfter: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

let core: TestApp;
let other: TestApp;
let adminKey: string;
let cutter: AnswerCutter;
let keys = 0;

beforeAll(async () => {
  core = await startApp();
  other = await core.replica();
  adminKey = (await core.createClient({ scopes: ['admin'] })).apiKey;
  cutter = await startAnswerCutter(core.port);
});
afterAll(async () => {
  await cutter?.stop();
  await other?.stop();
  await core?.stop();
});

interface Asked {
  readonly key?: string | null;
  readonly apiKey?: string;
  readonly origin?: string;
}

async function post(
  path: string,
  body: unknown,
  { key = null, apiKey = adminKey, origin = core.url }: Asked = {},
): Promise<Answer> {
  const response = await fetch(`${origin}${path}`, {
    method: 'POST',
    headers: {
      'x-api-key': apiKey,
      'content-type': 'application/json',
      ...(key === null ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify(body),
  });
  const { headers } = response;
  return {
    status: response.status,
    replayed: headers.get('idempotent-replayed'),
    retryAfter: headers.get('retry-after'),
    body: await response.json(),
  };
}

const nextKey = () => `key-${++keys}`;
const clientsNamed = async (name: string) =>
  (await core.database.query('SELECT 1 FROM clients WHERE name = $1', [name])).length;
const secretsOf = async (clientId: string) =>
  (await core.database.query('SELECT 1 FROM client_secrets WHERE client_id = $1', [clientId])).length;
const accepts = async (apiKey: string) =>
  (await fetch(`${other.url}/api/v1/whoami`, { headers: { 'x-api-key': apiKey } })).status === 200;

describe('a client', () => {
  it('is made once for a caller that was cut off after the commit, however often it asks again', async () => {
    const key = nextKey();
    const before = cutter.cut;
    const lost = post('/api/v1/clients', { name: 'cut off' }, { key, origin: `http://127.0.0.1:${cutter.port}` });
    await expect(lost).rejects.toThrow('fetch failed');
    expect(cutter.cut).toBe(before + 1);
    expect(await clientsNamed('cut off')).toBe(1);

    const again = await post('/api/v1/clients', { name: 'cut off' }, { key });
    expect([again.status, again.replayed]).toEqual([201, 'true']);
    expect(await accepts(again.body.api_key)).toBe(true);
    for (const origin of [core.url, other.url]) {
      expect(await post('/api/v1/clients', { name: 'cut off' }, { key, origin })).toEqual(again);
    }
    expect(await clientsNamed('cut off')).toBe(1);
  });

  it('is not shown again to a caller that was narrowed since', async () => {
    const caller = await core.createClient({ scopes: ['admin'] });
    const asked = { key: nextKey(), apiKey: caller.apiKey };
    const rotation = { key: nextKey(), apiKey: caller.apiKey };
    const made = await post('/api/v1/clients', { name: 'wide', scopes: ['admin'] }, asked);
    const path = `/api/v1/clients/${made.body.client_id}/secrets`;
    const rotated = await post(path, { expire_previous_in_seconds: 60 }, rotation);
    expect([made.status, rotated.status]).toEqual([201, 201]);
    const narrowed = await fetch(`${core.url}/api/v1/clients/${caller.clientId}`, {
      method: 'PATCH',
      headers: { 'x-api-key': adminKey, 'content-type': 'application/json' },
      body: '{"scopes":["clients:write"]}',
    });
    expect(narrowed.status).toBe(200);
    for (const again of [
      await post('/api/v1/clients', { name: 'wide', scopes: ['admin'] }, { ...asked, origin: other.url }),
      await post(path, { expire_previous_in_seconds: 60 }, { ...rotation, origin: other.url }),
    ]) {
      expect(again).toMatchObject({ status: 403, replayed: null, body: { code: 'permission_denied' } });
      expect(JSON.stringify(again.body)).not.toMatch(/cn_live_\w{12}_/);
    }
  });

  it('is made once for a caller that destroyed its socket while it was made', async () => {
    const key = nextKey();
    const body = JSON.stringify({ name: 'left early' });
    const connection = await RawConnection.open(core.port);
    connection.send(
      `POST /api/v1/clients HTTP/1.1\r\nHost: x\r\nX-API-Key: ${adminKey}\r\nIdempotency-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await eventually(async () => (await clientsNamed('left early')) === 1);
    connection.close();
    const again = await post('/api/v1/clients', { name: 'left early' }, { key, origin: other.url });
    expect([again.status, again.replayed]).toEqual([201, 'true']);
    expect(await accepts(again.body.api_key)).toBe(true);
    expect(await clientsNamed('left early')).toBe(1);
  });

  it('is made once for two hundred that ask at once', async () => {
    const key = nextKey();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        post('/api/v1/clients', { name: 'two hundred' }, { key, origin: index % 2 ? core.url : other.url }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.api_key)).size).toBe(1);
    expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
    expect(await clientsNamed('two hundred')).toBe(1);
  });

  it('is made twice without a key, and for two callers with the same one', async () => {
    await post('/api/v1/clients', { name: 'twice' });
    const first = await post('/api/v1/clients', { name: 'twice' });
    expect(first.replayed).toBeNull();
    const key = nextKey();
    const { apiKey } = await core.createClient({ scopes: ['admin'] });
    const [mine, theirs] = [
      await post('/api/v1/clients', { name: 'twice' }, { key }),
      await post('/api/v1/clients', { name: 'twice' }, { key, apiKey }),
    ];
    expect(theirs.replayed).toBeNull();
    expect(mine.body.client_id).not.toBe(theirs.body.client_id);
    expect(await clientsNamed('twice')).toBe(4);
  });

  it('is not answered with another one: a key that came with another body is 422', async () => {
    const key = nextKey();
    await post('/api/v1/clients', { name: 'one body' }, { key });
    const refused = await post('/api/v1/clients', { name: 'another body' }, { key, origin: other.url });
    expect([refused.status, refused.body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(await clientsNamed('another body')).toBe(0);
    const same = await fetch(`${core.url}/api/v1/clients`, {
      method: 'POST',
      headers: { 'x-api-key': adminKey, 'content-type': 'application/json', 'idempotency-key': key },
      body: ' { "name" : "one body" } ',
    });
    expect([same.status, same.headers.get('idempotent-replayed')]).toEqual([201, 'true']);
  });

  it('leaves no trace of a refusal: the same key may be used for what is right', async () => {
    const key = nextKey();
    expect((await post('/api/v1/clients', { name: 'x', tier: 'none' }, { key })).status).toBe(400);
    const { status, replayed } = await post('/api/v1/clients', { name: 'right now' }, { key });
    expect([status, replayed]).toEqual([201, null]);
  });

  it('is made anew when ten minutes have passed', async () => {
    const key = nextKey();
    const first = await post('/api/v1/clients', { name: 'later' }, { key });
    const clock = core.app.get(DatabaseClock, { strict: false });
    const later = clock.now() + 600_001;
    jest.spyOn(clock, 'now').mockReturnValue(later);
    const second = await post('/api/v1/clients', { name: 'later' }, { key });
    expect([second.status, second.replayed]).toEqual([201, null]);
    expect(second.body.client_id).not.toBe(first.body.client_id);
  });

  it.each(['a b', 'x'.repeat(256), 'ü'])('is 400 for a key that is none: %s', async (key) => {
    const refused = await post('/api/v1/clients', { name: 'no key' }, { key: Buffer.from(key).toString('latin1') });
    expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    expect(refused.body.errors).toEqual([
      { location: 'header.Idempotency-Key', message: 'must be 1 to 255 visible ASCII characters, sent once' },
    ]);
    expect(await clientsNamed('no key')).toBe(0);
  });

  it('is 400 for two keys', async () => {
    const body = JSON.stringify({ name: 'two keys' });
    const connection = await RawConnection.open(core.port);
    connection.send(
      `POST /api/v1/clients HTTP/1.1\r\nHost: x\r\nX-API-Key: ${adminKey}\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect((await connection.response())?.status).toBe(400);
    connection.close();
    expect(await clientsNamed('two keys')).toBe(0);
  });
});

describe('a rotation', () => {
  it('is done once for a caller that was cut off after the commit', async () => {
    const { clientId, apiKey } = await core.createClient();
    const key = nextKey();
    const body = { expire_previous_in_seconds: 0 };
    const path = `/api/v1/clients/${clientId}/secrets`;
    await expect(post(path, body, { key, origin: `http://127.0.0.1:${cutter.port}` })).rejects.toThrow('fetch failed');
    const again = await post(path, body, { key, origin: other.url });
    expect([again.status, again.replayed]).toEqual([201, 'true']);
    expect(again.body).not.toHaveProperty('propagation');
    expect(await post(path, body, { key })).toEqual(again);
    expect(await secretsOf(clientId)).toBe(2);
    expect([await accepts(again.body.api_key), await accepts(apiKey)]).toEqual([true, false]);
  });

  it('is done once for fifty that ask at once', async () => {
    const { clientId } = await core.createClient();
    const key = nextKey();
    const path = `/api/v1/clients/${clientId}/secrets`;
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        post(path, { expire_previous_in_seconds: 60 }, { key, origin: index % 2 ? core.url : other.url }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.client_secret)).size).toBe(1);
    expect(await secretsOf(clientId)).toBe(2);
  });

  it('is another for another client', async () => {
    const [one, two] = [await core.createClient(), await core.createClient()];
    const key = nextKey();
    const answers = [one, two].map(({ clientId }) =>
      post(`/api/v1/clients/${clientId}/secrets`, { expire_previous_in_seconds: 60 }, { key }),
    );
    const [first, second] = await Promise.all(answers);
    expect([first?.replayed, second?.replayed]).toEqual([null, null]);
    expect([first?.body.client_id, second?.body.client_id]).toEqual([one.clientId, two.clientId]);
  });
});
