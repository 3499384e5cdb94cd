import { generateClientId, generateCredential } from '../../src/identity/clients/api-key.js';
import { SecretHasher } from '../../src/identity/hashing/secret-hasher.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { type InsertedClient, wrongKeyOf } from '../support/insert-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const REPORTER = '203.0.113.50';

let first: TestApp;
let second: TestApp;
let admin: InsertedClient;

interface Answer {
  readonly status: number;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
  readonly headers: Headers;
}

beforeAll(async () => {
  first = await startApp({
    settings: { TRUSTED_PROXIES: '127.0.0.1', AUTH_FAILURES_PER_ADDRESS: '1000/60', AUTH_FAILURES_PER_CLIENT: 'off' },
  });
  second = await first.replica();
  admin = await first.createClient({ scopes: ['admin'] });
});

afterAll(async () => {
  await second?.stop();
  await first?.stop();
});

async function report(key: unknown, app: Pick<TestApp, 'url'> = first, address = REPORTER): Promise<Answer> {
  const response = await fetch(`${app.url}/api/v1/leaked-keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': address, 'x-request-id': 'same' },
    body: JSON.stringify({ api_key: key }),
  });
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text), headers: response.headers };
}

const asAdmin = async (method: string, path: string, body?: object): Promise<Answer['body']> => {
  const response = await fetch(`${first.url}/api/v1/clients/${path}`, {
    method,
    headers: { 'x-api-key': admin.apiKey, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  return response.json();
};
const statusOf = async (app: TestApp, key: string) =>
  (await fetch(`${app.url}/api/v1/whoami`, { headers: { 'x-api-key': key } })).status;

describe('a leaked key', () => {
  it('is revoked by whoever has it whole, at once on every replica', async () => {
    const { clientId, apiKey } = await first.createClient();
    for (const app of [first, second]) expect(await statusOf(app, apiKey)).toBe(200);
    const answer = await report(apiKey);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ revoked: true, client_id: clientId, hint: apiKey.slice(-4) });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const after = await Promise.all(Array.from({ length: 100 }, (_, n) => statusOf(n % 2 ? first : second, apiKey)));
    expect(new Set(after)).toEqual(new Set([401]));

    const shown = await asAdmin('GET', clientId);
    expect(shown).toMatchObject({ status: 'active', leak_reported_at: expect.any(String), secrets: [] });
    expect(Math.abs(Date.parse(shown.leak_reported_at) - Date.now())).toBeLessThan(60_000);
    const rows = await first.database.query(`SELECT * FROM audit_logs WHERE details->>'client_id' = $1`, [clientId]);
    expect(rows).toEqual([
      expect.objectContaining({
        action: 'secret.leaked',
        actor_type: 'anonymous',
        subject_type: 'secret',
        address: REPORTER,
        details: { client_id: clientId, hint: apiKey.slice(-4) },
      }),
    ]);
  });

  it('takes no other secret of the client with it', async () => {
    const { clientId, apiKey } = await first.createClient();
    const rotated = await asAdmin('POST', `${clientId}/secrets`, { expire_previous_in_seconds: 3600 });
    for (const key of [apiKey, rotated.api_key]) expect(await statusOf(first, key)).toBe(200);
    expect((await report(apiKey)).status).toBe(200);
    for (const app of [first, second]) {
      expect(await statusOf(app, apiKey)).toBe(401);
      expect(await statusOf(app, rotated.api_key)).toBe(200);
    }
    expect((await asAdmin('GET', clientId)).secrets).toHaveLength(1);
  });

  it('is revoked of a disabled client, too', async () => {
    const { clientId, apiKey } = await first.createClient({ status: 'disabled' });
    expect((await report(apiKey)).status).toBe(200);
    await asAdmin('PATCH', clientId, { status: 'active' });
    expect(await statusOf(first, apiKey)).toBe(401);
  });

  it('is revoked once, however many report it at once', async () => {
    const { clientId, apiKey } = await first.createClient();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => report(apiKey, n % 2 ? first : second)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(59);
    const [row] = await first.database.query<{ count: string }>(
      `SELECT count(*) FROM audit_logs WHERE action = 'secret.leaked' AND details->>'client_id' = $1`,
      [clientId],
    );
    expect(row?.count).toBe('1');
  });

  it('is said to be pending while a replica has not confirmed', async () => {
    const { apiKey } = await first.createClient();
    await first.database.query(
      `INSERT INTO replicas (id, alone_seconds, stale_seconds) VALUES ('one that stopped', 60, 960)`,
    );
    try {
      const answer = await report(apiKey);
      expect(answer.status).toBe(202);
      expect(answer.body).toMatchObject({
        revoked: true,
        propagation: 'pending',
        replicas_pending: 1,
        bounded_by_seconds: expect.any(Number),
      });
      for (const app of [first, second]) expect(await statusOf(app, apiKey)).toBe(401);
    } finally {
      await first.database.query(`DELETE FROM replicas WHERE id = 'one that stopped'`);
    }
  });
});

describe('what is no key that works', () => {
  it('is told from any other by nothing', async () => {
    const known = await first.createClient();
    const revoked = await first.createClient();
    expect((await report(revoked.apiKey)).status).toBe(200);
    const ended = await first.createClient({ secretExpiresAt: new Date(Date.now() - 1000) });
    const keys = [wrongKeyOf(generateClientId('live')), wrongKeyOf(known.clientId), revoked.apiKey, ended.apiKey];
    const answers = await Promise.all(keys.map((key) => report(key)));
    for (const { status, text } of answers) expect([status, text]).toEqual([404, answers[0]?.text]);
    expect(answers[0]?.body.code).toBe('unknown_api_key');
    expect(await statusOf(first, known.apiKey)).toBe(200);
  });

  it.each([
    ['a checksum that is wrong', 'cn_live_000000000000_0000000000000000000000000000004GtwE1'],
    ['a part of one', 'cn_live_000000000000'],
    ['no text', 7],
    ['nothing', undefined],
    ['a list', ['cn_live_000000000000_0000000000000000000000000000004GtwE0']],
  ])('is refused by its field: %s', async (_what, key) => {
    const { status, body, text } = await report(key);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.errors).toEqual([{ location: 'body.api_key', message: expect.any(String) }]);
    if (typeof key === 'string') expect(text).not.toContain(key);
  });

  it('is not read beyond 1 kB, nor with other fields', async () => {
    const send = (body: string) =>
      fetch(`${first.url}/api/v1/leaked-keys`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    expect((await send(JSON.stringify({ api_key: 'x'.repeat(1_024) }))).status).toBe(413);
    const other = await send(JSON.stringify({ api_key: admin.apiKey, revoke: 'all' }));
    expect(other.status).toBe(400);
    expect(((await other.json()) as Answer['body']).errors).toEqual([
      { location: 'body.revoke', message: expect.any(String) },
    ]);
    expect(await statusOf(first, admin.apiKey)).toBe(200);
  });
});

describe('forgeries', () => {
  it("cost no hash and no look-up beyond the address's budget, and a genuine key spends nothing of it", async () => {
    const app = await first.replica({ AUTH_FAILURES_PER_ADDRESS: '5/3600', AUTO_BLOCK_FAILURES: 'off' });
    try {
      const address = '203.0.113.77';
      for (let n = 0; n < 8; n++) {
        const leaked = await first.createClient();
        expect((await report(leaked.apiKey, app, address)).status).toBe(200);
      }
      const { clientId } = await first.createClient();
      const hashes = jest.spyOn(app.app.get(SecretHasher, { strict: false }), 'matches');
      const forged = Array.from({ length: 40 }, () => generateCredential(clientId).apiKey.reveal());
      const answers = await Promise.all(forged.map((key) => report(key, app, address)));
      expect(answers.filter(({ status }) => status === 404)).toHaveLength(5);
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused).toHaveLength(35);
      expect(refused[0]?.body.code).toBe('rate_limited');
      expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(hashes).toHaveBeenCalledTimes(5);
    } finally {
      await app.stop();
    }
  });
});

describe('without PostgreSQL', () => {
  it('what is no key is told so, and nothing else is promised', async () => {
    const proxy = await TcpProxy.start(first.database.url);
    const app = await first.replica({ DATABASE_URL: proxy.through(first.database.url) });
    try {
      const { apiKey } = await first.createClient();
      await proxy.refuse();
      expect((await report('cn_live_000000000000_0000000000000000000000000000004GtwE1', app)).status).toBe(400);
      const undecided = await report(apiKey, app);
      expect(undecided.status).toBe(503);
      expect(undecided.headers.get('retry-after')).not.toBeNull();
      expect(await statusOf(first, apiKey)).toBe(200);
      await proxy.heal();
      expect((await report(apiKey)).status).toBe(200);
    } finally {
      await proxy.heal();
      await app.stop();
      await proxy.stop();
    }
  });
});
