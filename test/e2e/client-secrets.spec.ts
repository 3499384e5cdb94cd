import { generateClientId, parseApiKey } from '../../src/identity/clients/api-key.js';
import { SecretUses } from '../../src/identity/clients/secret-uses.js';
import { startApp, type TestApp } from '../support/app.js';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

const DAY_MS = 86_400_000;

let core: TestApp;
let adminKey: string;

beforeAll(async () => {
  core = await startApp();
  adminKey = (await core.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(() => core?.stop());

async function call(method: string, path: string, body?: unknown, key = adminKey): Promise<Answer> {
  const response = await fetch(`${core.url}${path}`, {
    method,
    headers: { 'x-api-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const secretsOf = (clientId: string) => `/api/v1/clients/${clientId}/secrets`;
const rotate = (clientId: string, body: unknown, key?: string) => call('POST', secretsOf(clientId), body, key);
const show = async (clientId: string) => (await call('GET', `/api/v1/clients/${clientId}`)).body;
const accepts = async (key: string) => (await call('GET', '/api/v1/whoami', undefined, key)).status === 200;
const locations = ({ body }: Answer) => body.errors.map((error: { location: string }) => error.location);

describe('rotation', () => {
  it('answers 201 with a secret that works at once, beside the one before it', async () => {
    const { clientId, apiKey } = await core.createClient();
    expect(await accepts(apiKey)).toBe(true);
    const before = Date.now();
    const { status, headers, body } = await rotate(clientId, { expire_previous_in_seconds: 3_600 });
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      client_id: clientId,
      id: expect.stringMatching(/^sec_[0-9A-Za-z]{16}$/),
      client_secret: expect.stringMatching(/^[0-9A-Za-z]{36}$/),
      api_key: `${clientId}_${body.client_secret}`,
      hint: body.client_secret.slice(-4),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expires_at: null,
      previous: [{ id: expect.any(String), expires_at: expect.any(String) }],
    });
    const end = Date.parse(body.previous[0].expires_at);
    expect(end).toBeGreaterThan(before + 3_590_000);
    expect(end).toBeLessThan(Date.now() + 3_610_000);
    expect(parseApiKey(body.api_key)?.clientId).toBe(clientId);
    expect([await accepts(body.api_key), await accepts(apiKey)]).toEqual([true, true]);
    const { secrets } = await show(clientId);
    expect(secrets.map(({ id, expires_at }: { id: string; expires_at: string | null }) => [id, expires_at])).toEqual([
      [body.previous[0].id, body.previous[0].expires_at],
      [body.id, null],
    ]);
  });

  it('lets all five work at once, each beside the others, and refuses a sixth', async () => {
    const { clientId, apiKey } = await core.createClient();
    const keys = [apiKey];
    for (let number = 2; number <= 5; number++) {
      const { status, body } = await rotate(clientId, { expire_previous_in_seconds: 2_592_000 });
      expect(status).toBe(201);
      expect(body.previous).toHaveLength(number - 1);
      keys.push(body.api_key);
    }
    for (const key of keys) expect(await accepts(key)).toBe(true);
    const sixth = await rotate(clientId, { expire_previous_in_seconds: 60 });
    expect([sixth.status, sixth.body.code]).toEqual([409, 'too_many_secrets']);
    expect(sixth.body.detail).toMatch(/^The client has 5 secrets that work already\. /);
    expect((await show(clientId)).secrets).toHaveLength(5);
    for (const { expires_at } of (await show(clientId)).secrets.slice(0, 4))
      expect(Date.parse(expires_at)).toBeGreaterThan(Date.now() + 29 * DAY_MS);
  });

  it('with overlap 0 ends them all at once, so that there is always room', async () => {
    const { clientId, apiKey } = await core.createClient();
    const keys = [apiKey];
    for (let number = 2; number <= 5; number++)
      keys.push((await rotate(clientId, { expire_previous_in_seconds: 3_600 })).body.api_key);
    for (const key of keys) expect(await accepts(key)).toBe(true);
    const { status, body } = await rotate(clientId, { expire_previous_in_seconds: 0 });
    expect(status).toBe(201);
    expect(body.previous).toHaveLength(5);
    for (const { expires_at } of body.previous) expect(Date.parse(expires_at)).toBeLessThanOrEqual(Date.now() + 50);
    for (const key of keys) expect(await accepts(key)).toBe(false);
    expect(await accepts(body.api_key)).toBe(true);
    const again = await rotate(clientId, { expire_previous_in_seconds: 60 });
    expect(again.body.previous.map(({ id }: { id: string }) => id)).toEqual([body.id]);
    expect((await show(clientId)).secrets).toHaveLength(7);
  });

  it('leaves a secret its end when that is earlier', async () => {
    const secretExpiresAt = new Date(Date.now() + 100_000);
    const { clientId } = await core.createClient({ secretExpiresAt });
    const { body } = await rotate(clientId, { expire_previous_in_seconds: 3_600 });
    expect(body.previous).toEqual([{ id: expect.any(String), expires_at: secretExpiresAt.toISOString() }]);
  });

  it('says nothing of secrets that had ended, and leaves them as they are', async () => {
    const secretExpiresAt = new Date(Date.now() - 1_000);
    const { clientId } = await core.createClient({ secretExpiresAt });
    expect((await rotate(clientId, { expire_previous_in_seconds: 0 })).body.previous).toEqual([]);
    expect((await show(clientId)).secrets[0].expires_at).toBe(secretExpiresAt.toISOString());
  });

  it('takes an end for the new secret', async () => {
    const { clientId } = await core.createClient();
    const { status, body } = await rotate(clientId, {
      expire_previous_in_seconds: 0,
      expires_at: '2099-01-31T12:00:00.5+02:00',
      finish_when_idle: true,
    });
    expect([status, body.expires_at]).toEqual([201, '2099-01-31T10:00:00.500Z']);
    expect((await show(clientId)).secrets[1].expires_at).toBe('2099-01-31T10:00:00.500Z');
  });

  it.each([
    ['nothing', {}, 'body.expire_previous_in_seconds'],
    ['an overlap below 0', { expire_previous_in_seconds: -1 }, 'body.expire_previous_in_seconds'],
    ['an overlap above 30 days', { expire_previous_in_seconds: 2_592_001 }, 'body.expire_previous_in_seconds'],
    ['half a second', { expire_previous_in_seconds: 0.5 }, 'body.expire_previous_in_seconds'],
    ['a text', { expire_previous_in_seconds: '60' }, 'body.expire_previous_in_seconds'],
    ['null', { expire_previous_in_seconds: null }, 'body.expire_previous_in_seconds'],
    ['an end that is past', { expire_previous_in_seconds: 0, expires_at: '2020-01-01T00:00:00Z' }, 'body.expires_at'],
    ['an end that is no time', { expire_previous_in_seconds: 0, expires_at: 'soon' }, 'body.expires_at'],
    ['no boolean', { expire_previous_in_seconds: 0, finish_when_idle: 1 }, 'body.finish_when_idle'],
    ['an unknown field', { expire_previous_in_seconds: 0, client_secret: 'x' }, 'body.client_secret'],
  ])('refuses %s', async (_what, body, location) => {
    const { clientId, apiKey } = await core.createClient();
    const refused = await rotate(clientId, body);
    expect([refused.status, refused.body.code, locations(refused)]).toEqual([400, 'invalid_request', [location]]);
    expect((await show(clientId)).secrets).toHaveLength(1);
    expect(await accepts(apiKey)).toBe(true);
  });

  it.each(['cn_live_000000000000', 'nonsense', generateClientId('live')])('is 404 for %s', async (clientId) => {
    const refused = await rotate(clientId, { expire_previous_in_seconds: 0 });
    expect([refused.status, refused.body.code]).toEqual([404, 'not_found']);
  });

  it('is recorded, without the secret', async () => {
    const { clientId } = await core.createClient();
    const { body } = await rotate(clientId, { expire_previous_in_seconds: 60 });
    await call('DELETE', `${secretsOf(clientId)}/${body.id}`);
    const rows = await core.database.query<{ action: string; details: object }>(
      'SELECT action, actor_type, subject_type, details FROM audit_logs WHERE subject_id = $1 ORDER BY id',
      [body.id],
    );
    const details = { client_id: clientId, hint: body.hint };
    expect(rows).toEqual([
      {
        action: 'secret.create',
        actor_type: 'client',
        subject_type: 'secret',
        details: { ...details, expires_at: null, previous_ends_at: body.previous[0].expires_at },
      },
      { action: 'secret.revoke', actor_type: 'client', subject_type: 'secret', details },
    ]);
  });
});

describe('revoking one secret', () => {
  const revoke = (clientId: string, id: string, key?: string) =>
    call('DELETE', `${secretsOf(clientId)}/${id}`, undefined, key);

  it('ends it and no other', async () => {
    const { clientId, apiKey } = await core.createClient();
    const { body } = await rotate(clientId, { expire_previous_in_seconds: 3_600 });
    expect([await accepts(apiKey), await accepts(body.api_key)]).toEqual([true, true]);
    expect(await revoke(clientId, body.previous[0].id)).toMatchObject({ status: 204, body: null });
    expect([await accepts(apiKey), await accepts(body.api_key)]).toEqual([false, true]);
    expect((await show(clientId)).secrets.map(({ id }: { id: string }) => id)).toEqual([body.id]);
  });

  it('may end the last one; another can be made', async () => {
    const { clientId, apiKey } = await core.createClient();
    const [secret] = (await show(clientId)).secrets;
    expect((await revoke(clientId, secret.id)).status).toBe(204);
    expect([await accepts(apiKey), (await show(clientId)).secrets]).toEqual([false, []]);
    const { body } = await rotate(clientId, { expire_previous_in_seconds: 60 });
    expect(body.previous).toEqual([]);
    expect(await accepts(body.api_key)).toBe(true);
  });

  it('is 404 for what is gone, unknown, or of another client', async () => {
    const [mine, theirs] = [await core.createClient(), await core.createClient()];
    const [secret] = (await show(theirs.clientId)).secrets;
    const gone = (await show(mine.clientId)).secrets[0].id;
    await revoke(mine.clientId, gone);
    for (const [clientId, id] of [
      [mine.clientId, gone],
      [mine.clientId, secret.id],
      [mine.clientId, 'sec_0000000000000000'],
      [mine.clientId, '%00'],
      [generateClientId('live'), secret.id],
      ['nonsense', secret.id],
    ] as const) {
      const refused = await revoke(clientId, id);
      expect([refused.status, refused.body.code]).toEqual([404, 'not_found']);
    }
    expect(await accepts(theirs.apiKey)).toBe(true);
  });
});

describe('whoever does not hold what the client holds', () => {
  it('makes no secret for it and ends none', async () => {
    const writer = await core.createClient({ scopes: ['clients:write', 'llm:invoke'] });
    const target = await core.createClient({ scopes: ['logs:read'] });
    const made = await rotate(target.clientId, { expire_previous_in_seconds: 0 }, writer.apiKey);
    expect([made.status, made.body.code]).toEqual([403, 'permission_denied']);
    const [secret] = (await show(target.clientId)).secrets;
    const ended = await call('DELETE', `${secretsOf(target.clientId)}/${secret.id}`, undefined, writer.apiKey);
    expect([ended.status, ended.body.code]).toEqual([403, 'permission_denied']);
    expect(await accepts(target.apiKey)).toBe(true);
    expect((await show(target.clientId)).secrets).toHaveLength(1);
    const lesser = await core.createClient({ scopes: ['llm:invoke'] });
    expect((await rotate(lesser.clientId, { expire_previous_in_seconds: 0 }, writer.apiKey)).status).toBe(201);
  });
});

describe('the last use of a secret', () => {
  it('is shown with its time, address and user agent, some seconds later', async () => {
    const { clientId, apiKey } = await core.createClient();
    const { updated_at } = await show(clientId);
    const before = Date.now();
    await fetch(`${core.url}/api/v1/whoami`, {
      headers: { authorization: `Bearer ${apiKey}`, 'user-agent': 'billing/1.2 Bearer sk-ant-0123456789' },
    });
    await core.app.get(SecretUses, { strict: false }).flush();
    const client = await show(clientId);
    expect(client.secrets[0]).toMatchObject({
      last_used_address: '127.0.0.1',
      last_used_user_agent: 'billing/1.2 [redacted]',
    });
    const usedAt = Date.parse(client.secrets[0].last_used_at);
    expect(usedAt).toBeGreaterThan(before - 1_000);
    expect(usedAt).toBeLessThan(Date.now() + 1_000);
    expect(client.updated_at).toBe(updated_at);
  });

  it('is written when the process stops', async () => {
    const { clientId, apiKey } = await core.createClient();
    const other = await core.replica();
    await fetch(`${other.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${apiKey}` } });
    await other.stop();
    expect((await show(clientId)).secrets[0].last_used_address).toBe('127.0.0.1');
  });
});
