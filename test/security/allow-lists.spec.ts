import { ALLOWABLE_PROVIDERS } from '../../src/identity/clients/allow-lists.js';
import { PROVIDERS, type Provider } from '../../src/traffic/gateway/providers/provider.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';

const HERE = '198.51.100.7';
const ELSEWHERE = '203.0.113.9';

let first: TestApp;
let second: TestApp;
let admin: InsertedClient;

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

beforeAll(async () => {
  first = await startApp({
    settings: { TRUSTED_PROXIES: '127.0.0.1', MODEL_ALIASES: 'parrot=core-nest/echo,fast=openai/gpt-4o-mini' },
  });
  second = await first.replica();
  admin = await first.createClient({ scopes: ['admin'] });
});

afterAll(async () => {
  await second?.stop();
  await first?.stop();
});

async function call(
  app: TestApp,
  key: string,
  method: string,
  path: string,
  { body, address = HERE, headers = {} }: { body?: unknown; address?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: {
      'x-api-key': key,
      'x-forwarded-for': address,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

const whoami = (app: TestApp, key: string, address?: string) =>
  call(app, key, 'GET', '/api/v1/whoami', address === undefined ? {} : { address });
const create = (body: object, key = admin.apiKey) =>
  call(first, key, 'POST', '/api/v1/clients', { body: { name: 'n', ...body } });
const change = (clientId: string, body: object, key = admin.apiKey) =>
  call(first, key, 'PATCH', `/api/v1/clients/${clientId}`, { body });
const chat = (app: TestApp, key: string, model: string) =>
  call(app, key, 'POST', '/v1/chat/completions', { body: { model, messages: [{ role: 'user', content: 'hi' }] } });

describe('the fields', () => {
  it('are null where nothing is asked for, and shown as they are kept', async () => {
    expect((await create({})).body).toMatchObject({
      allowed_addresses: null,
      allowed_models: null,
      allowed_providers: null,
    });
    const made = await create({
      allowed_addresses: ['::ffff:192.0.2.7', '192.0.2.7/32', '2001:DB8::/32', '10.0.0.0/8'],
      allowed_models: ['openai/gpt-4o-mini', 'core-nest/*', 'parrot'],
      allowed_providers: ['openai', 'core-nest'],
    });
    expect(made.status).toBe(201);
    const lists = {
      allowed_addresses: ['192.0.2.7', '2001:db8::/32', '10.0.0.0/8'],
      allowed_models: ['openai/gpt-4o-mini', 'core-nest/*', 'parrot'],
      allowed_providers: ['openai', 'core-nest'],
    };
    expect(made.body).toMatchObject(lists);
    const path = `/api/v1/clients/${made.body.client_id}`;
    expect((await call(first, admin.apiKey, 'GET', path)).body).toMatchObject(lists);
    const lifted = await change(made.body.client_id, { allowed_addresses: null, allowed_models: ['parrot'] });
    expect(lifted.body).toMatchObject({ ...lists, allowed_addresses: null, allowed_models: ['parrot'] });
  });

  it.each([
    ['allowed_addresses', []],
    ['allowed_addresses', ['10.0.0.1/8']],
    ['allowed_addresses', ['localhost']],
    ['allowed_addresses', '10.0.0.1'],
    ['allowed_addresses', Array.from({ length: 65 }, (_, n) => `10.0.0.${n}`)],
    ['allowed_models', []],
    ['allowed_models', ['*']],
    ['allowed_models', ['a b']],
    ['allowed_models', ['parrot', 'parrot']],
    ['allowed_models', [7]],
    ['allowed_providers', []],
    ['allowed_providers', ['openal']],
    ['allowed_providers', ['openai', 'openai']],
  ])('%s refuses %j', async (field, value) => {
    for (const answer of [await create({ [field]: value }), await change(admin.clientId, { [field]: value })]) {
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
      expect(answer.body.errors).toEqual([{ location: `body.${field}`, message: expect.any(String) }]);
    }
  });
});

describe('addresses', () => {
  it('let a client in from its own alone, cold and warm, on every replica', async () => {
    const { apiKey } = await first.createClient({ allowedAddresses: ['198.51.100.0/24'] });
    for (const app of [first, second, first, second, first]) {
      expect((await whoami(app, apiKey)).status).toBe(200);
      const refused = await whoami(app, apiKey, ELSEWHERE);
      expect([refused.status, refused.body.code]).toEqual([403, 'address_not_allowed']);
      expect((await whoami(app, apiKey, `::ffff:${HERE}`)).status).toBe(200);
    }
  });

  it('say so in the dialect of each surface', async () => {
    const { apiKey } = await first.createClient({ allowedAddresses: [HERE] });
    const ask = (path: string) => call(first, apiKey, 'POST', path, { body: {}, address: ELSEWHERE });
    expect(await ask('/v1/chat/completions')).toMatchObject({
      status: 403,
      body: { error: { code: 'address_not_allowed', type: 'permission_error' } },
    });
    expect(await ask('/v1/messages')).toMatchObject({ status: 403, body: { error: { type: 'permission_error' } } });
    expect(await ask('/v1beta/models/x:generateContent')).toMatchObject({
      status: 403,
      body: { error: { status: 'PERMISSION_DENIED' } },
    });
  });

  it('tell a stranger nothing: a wrong secret is 401 from anywhere', async () => {
    const { apiKey } = await first.createClient({ allowedAddresses: [HERE] });
    const wrong = (await first.createClient()).apiKey;
    const mixed = `${apiKey.slice(0, 20)}${wrong.slice(20)}`;
    expect((await whoami(first, mixed, ELSEWHERE)).status).toBe(401);
  });

  it('once narrowed, hold on the next request everywhere, under load', async () => {
    const { clientId, apiKey } = await first.createClient();
    for (const app of [first, second]) expect((await whoami(app, apiKey, ELSEWHERE)).status).toBe(200);
    const narrowed = await change(clientId, { allowed_addresses: [HERE] });
    expect(narrowed.status).toBe(200);
    const after = await Promise.all(
      Array.from({ length: 200 }, (_, n) => whoami(n % 2 === 0 ? first : second, apiKey, ELSEWHERE)),
    );
    expect(new Set(after.map(({ status }) => status))).toEqual(new Set([403]));
    expect((await whoami(second, apiKey)).status).toBe(200);
  });

  it('once changed by hand in SQL, hold as well', async () => {
    const { clientId, apiKey } = await first.createClient();
    for (const app of [first, second]) expect((await whoami(app, apiKey, ELSEWHERE)).status).toBe(200);
    await first.database.query(`UPDATE clients SET allowed_addresses = '{${HERE}}' WHERE client_id = $1`, [clientId]);
    for (const app of [first, second])
      await eventually(async () => (await whoami(app, apiKey, ELSEWHERE)).status === 403);
  });

  it('once widened, refuse nobody on what was before', async () => {
    const { clientId, apiKey } = await first.createClient({ allowedAddresses: [HERE] });
    for (const app of [first, second]) {
      expect((await whoami(app, apiKey)).status).toBe(200);
      expect((await whoami(app, apiKey, ELSEWHERE)).status).toBe(403);
    }
    expect((await change(clientId, { allowed_addresses: [HERE, ELSEWHERE] })).status).toBe(200);
    for (const app of [first, second]) expect((await whoami(app, apiKey, ELSEWHERE)).status).toBe(200);
  });
});

describe('models and providers', () => {
  it('let a client use its own alone, by either name', async () => {
    const { apiKey } = await first.createClient({ allowedModels: ['parrot'] });
    for (const app of [first, second, first]) {
      expect((await chat(app, apiKey, 'parrot')).status).toBe(200);
      const refused = await chat(app, apiKey, 'core-nest/echo');
      expect(refused.status).toBe(403);
      expect(refused.body.error).toMatchObject({ code: 'model_not_allowed', type: 'permission_error' });
    }
    const byTarget = await first.createClient({ allowedModels: ['core-nest/echo'] });
    expect((await chat(first, byTarget.apiKey, 'parrot')).status).toBe(200);
    expect((await chat(first, byTarget.apiKey, 'fast')).status).toBe(403);
    expect((await chat(first, byTarget.apiKey, 'openai/no-such')).status).toBe(403);
    expect((await chat(first, byTarget.apiKey, 'nobody-serves-this')).status).toBe(404);
  });

  it('hold on every LLM route, in its dialect', async () => {
    const { apiKey } = await first.createClient({ allowedProviders: ['openai'] });
    const ask = (path: string, body: object) => call(first, apiKey, 'POST', path, { body });
    const model = 'core-nest/echo';
    for (const [path, body] of [
      ['/v1/completions', { model, prompt: 'x' }],
      ['/v1/responses', { model, input: 'x' }],
      ['/v1/embeddings', { model, input: 'x' }],
    ] as const)
      expect(await ask(path, body)).toMatchObject({ status: 403, body: { error: { code: 'model_not_allowed' } } });
    expect(await ask('/v1/messages', { model, max_tokens: 5, messages: [] })).toMatchObject({
      status: 403,
      body: { type: 'error', error: { type: 'permission_error' } },
    });
    expect(await ask(`/v1beta/models/${model}:generateContent`, { contents: [] })).toMatchObject({
      status: 403,
      body: { error: { status: 'PERMISSION_DENIED' } },
    });
  });

  it('hold for /api/v1/query: the model, the default and the one that thinks', async () => {
    const ask = async (lists: object, body: object) =>
      call(first, (await first.createClient(lists)).apiKey, 'POST', '/api/v1/query', {
        body: { query: 'hi', ...body },
      });
    const echo = { model: 'core-nest/echo' };
    expect((await ask({ allowedModels: ['core-nest/echo'] }, {})).status).toBe(200);
    expect(await ask({ allowedModels: ['fast'] }, {})).toMatchObject({
      status: 403,
      body: { code: 'model_not_allowed' },
    });
    expect((await ask({ allowedModels: ['fast'] }, echo)).status).toBe(403);
    const thinker = await ask({ allowedModels: ['parrot'] }, { model: 'parrot', reasoning_model: 'core-nest/echo' });
    expect([thinker.status, thinker.body.code]).toEqual([403, 'model_not_allowed']);
    expect((await ask({ allowedModels: ['core-nest/*'] }, { ...echo, reasoning_model: 'parrot' })).status).toBe(200);
  });

  it("hold for a client that brings its own token, and not for a bare one's", async () => {
    const { apiKey } = await first.createClient({ allowedProviders: ['openai'] });
    const body = { model: 'core-nest/echo', messages: [{ role: 'user', content: 'hi' }] };
    const headers = { 'x-provider-token': 'sk-own' };
    expect((await call(first, apiKey, 'POST', '/v1/chat/completions', { body, headers })).status).toBe(403);
    const bare = await fetch(`${first.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(bare.status).toBe(200);
  });

  it('are what GET /v1/models shows', async () => {
    const names = async (lists: object): Promise<string[]> => {
      const { apiKey } = await first.createClient(lists);
      const listed = (await call(first, apiKey, 'GET', '/v1/models')).body.data.map(({ id }: { id: string }) => id);
      for (const id of ['core-nest/echo', 'parrot', 'fast'])
        expect((await call(first, apiKey, 'GET', `/v1/models/${id}`)).status).toBe(listed.includes(id) ? 200 : 404);
      return listed;
    };
    expect(await names({})).toEqual(expect.arrayContaining(['core-nest/echo', 'parrot', 'fast']));
    expect(await names({ allowedModels: ['parrot'] })).toEqual(['parrot']);
    expect(await names({ allowedProviders: ['openai'] })).toEqual(['fast']);
    expect(await names({ allowedModels: ['gemini/*'] })).toEqual([]);
  });

  it('once narrowed, hold on the next request everywhere', async () => {
    const { clientId, apiKey } = await first.createClient();
    for (const app of [first, second]) expect((await chat(app, apiKey, 'core-nest/echo')).status).toBe(200);
    expect((await change(clientId, { allowed_providers: ['openai'] })).status).toBe(200);
    for (const app of [first, second, first, second])
      expect((await chat(app, apiKey, 'core-nest/echo')).status).toBe(403);
  });
});

it('a list can name every provider that the gateway has, and no other', () => {
  const providers = first.app.get<readonly Provider[]>(PROVIDERS, { strict: false });
  expect(providers.map(({ name }) => name).toSorted()).toEqual([...ALLOWABLE_PROVIDERS].toSorted());
});

describe('what a limited caller may give', () => {
  const limited = () =>
    first.createClient({ scopes: ['admin'], allowedAddresses: ['198.51.100.0/24'], allowedModels: ['core-nest/*'] });

  it('its own lists or narrower ones, with scope admin too', async () => {
    const { apiKey } = await limited();
    expect((await create({}, apiKey)).body).toMatchObject({
      allowed_addresses: ['198.51.100.0/24'],
      allowed_models: ['core-nest/*'],
      allowed_providers: null,
    });
    expect((await create({ allowed_addresses: [HERE], allowed_models: ['core-nest/echo'] }, apiKey)).status).toBe(201);
    for (const wider of [
      { allowed_addresses: null },
      { allowed_addresses: ['198.51.0.0/16'] },
      { allowed_models: null },
      { allowed_models: ['parrot'] },
    ]) {
      const refused = await create(wider, apiKey);
      expect([refused.status, refused.body.code]).toEqual([403, 'permission_denied']);
      expect(refused.body.detail).toContain(Object.keys(wider)[0]);
    }
  });

  it('nothing to itself', async () => {
    const { clientId, apiKey } = await limited();
    expect((await change(clientId, { allowed_addresses: null }, apiKey)).status).toBe(403);
    expect((await change(clientId, { allowed_models: ['openai/*'] }, apiKey)).status).toBe(403);
    expect((await change(clientId, { allowed_models: ['core-nest/echo'] }, apiKey)).status).toBe(200);
  });

  it('and it leaves alone who may do more', async () => {
    const { apiKey } = await limited();
    const { clientId } = await first.createClient();
    expect((await change(clientId, { name: 'mine' }, apiKey)).status).toBe(403);
    expect((await call(first, apiKey, 'DELETE', `/api/v1/clients/${clientId}`)).status).toBe(403);
  });
});
