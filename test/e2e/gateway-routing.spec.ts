import { type GatewayApp, HOUSE_KEYS, startGatewayApp } from '../support/gateway-app.js';
import { json, type UpstreamAnswer } from '../support/upstream.js';

const CHAT = '/v1/chat/completions';
const OWN = { openai: 'sk-proj-canary-own', anthropic: 'sk-ant-canary-own', gemini: 'AIza-canary-own' } as const;

const start = () =>
  startGatewayApp({
    MODEL_ALIASES: 'fast=openai/gpt-4o-mini,gpt-4o=anthropic/claude-opus-5,say=core-nest/echo',
    BYOT_MAX_BODY_BYTES: '2048',
  });

let shared: GatewayApp;
let gateway: GatewayApp;
beforeAll(async () => {
  shared = await start();
});
afterAll(() => shared.close());
beforeEach(() => {
  gateway = shared;
  gateway.upstream.requests.length = 0;
  gateway.upstream.answer = json({});
  gateway.records.length = 0;
});

/** A caller with nothing but a provider token. */
const byot = (path: string, body: unknown, token: string, provider?: string) =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-provider-token': token,
      ...(provider === undefined ? {} : { 'x-provider': provider }),
    },
    body: JSON.stringify(body),
  });

const everythingForwarded = () =>
  JSON.stringify(gateway.upstream.requests.map(({ rawHeaders, url, body }) => [rawHeaders, url, body.toString()]));

describe('a caller with its own token', () => {
  it.each([
    ['openai/gpt-4o', CHAT, OWN.openai, 'authorization', `Bearer ${OWN.openai}`],
    ['claude-opus-5', '/v1/messages', OWN.anthropic, 'x-api-key', OWN.anthropic],
    ['claude-opus-5', '/v1/messages', 'sk-ant-oat01-canary', 'authorization', 'Bearer sk-ant-oat01-canary'],
    ['gemini/gemini-2.5-flash', CHAT, OWN.gemini, 'authorization', `Bearer ${OWN.gemini}`],
    ['openai/gpt-4o', CHAT, 'token-of-no-known-form', 'authorization', 'Bearer token-of-no-known-form'],
  ])('has it used for %s on %s, and no house key', async (model, path, token, header, value) => {
    const got = await byot(path, { model, max_tokens: 1, messages: [] }, token);
    expect(got.status).toBe(200);
    expect(gateway.upstream.requests[0]?.headers[header]).toBe(value);
    for (const key of Object.values(HOUSE_KEYS)) expect(everythingForwarded()).not.toContain(key);
    expect(everythingForwarded().split(token)).toHaveLength(2);
  });

  it('that is also one of our clients has its own token used', async () => {
    await gateway.post(CHAT, { model: 'openai/gpt-4o', messages: [] }, { 'x-provider-token': OWN.openai });
    expect(gateway.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${OWN.openai}`);
    expect(everythingForwarded()).not.toContain(gateway.apiKey);
  });

  it.each([
    ['openai/gpt-4o', OWN.openai, 'anthropic', 'x-provider'],
    ['openai/gpt-4o', OWN.anthropic, undefined, 'x-provider-token'],
    ['anthropic/claude-opus-5', OWN.openai, undefined, 'x-provider-token'],
    ['gemini/gemini-2.5-flash', OWN.openai, 'gemini', 'x-provider-token'],
    ['gpt-4o', OWN.openai, undefined, 'x-provider-token'],
  ])('of another provider is refused for %s, and nothing is sent', async (model, token, provider, where) => {
    const got = await byot(CHAT, { model, messages: [] }, token, provider);
    expect(got.status).toBe(400);
    expect(await got.json()).toMatchObject({ error: { code: 'invalid_request', param: `header.${where}` } });
    expect(gateway.upstream.requests).toHaveLength(0);
  });

  it.each([401, 403])('sees the provider refuse it with %i', async (status) => {
    gateway.upstream.answer = json({ error: { message: 'Incorrect API key' } }, status, {
      'x-ratelimit-remaining-requests': '5',
      'openai-organization': 'own-org',
      'www-authenticate': 'Bearer',
    });
    const got = await byot(CHAT, { model: 'openai/gpt-4o', messages: [] }, OWN.openai);
    expect(got.status).toBe(status);
    expect(await got.json()).toEqual({ error: { message: 'Incorrect API key' } });
    expect(got.headers.get('x-ratelimit-remaining-requests')).toBe('5');
    expect(got.headers.get('openai-organization')).toBe('own-org');
    expect(got.headers.get('www-authenticate')).toBeNull();
  });

  it('may use the echo, which does not look at it', async () => {
    const body = { model: 'core-nest/echo', messages: [{ role: 'user', content: 'hi' }] };
    const got = await byot(CHAT, body, OWN.anthropic, 'anthropic');
    expect(got.status).toBe(200);
    expect(gateway.upstream.requests).toHaveLength(0);
  });

  it('may send less than a client may', async () => {
    const body = { model: 'core-nest/echo', messages: [{ role: 'user', content: 'x'.repeat(2048) }] };
    expect((await byot(CHAT, body, OWN.openai)).status).toBe(413);
    expect((await gateway.post(CHAT, body)).status).toBe(200);
  });
});

describe('a model', () => {
  it.each([
    ['fast', '/openai/v1/chat/completions', 'gpt-4o-mini', 'openai/gpt-4o-mini'],
    ['gpt-4o', '/anthropic/v1/chat/completions', 'claude-opus-5', 'anthropic/claude-opus-5'],
    ['openai/gpt-4o', '/openai/v1/chat/completions', 'gpt-4o', 'openai/gpt-4o'],
  ])('named %s goes to %s as %s', async (model, path, upstream, name) => {
    await gateway.post(CHAT, { model, messages: [] });
    expect(gateway.upstream.requests[0]?.url).toBe(path);
    expect(JSON.parse(gateway.upstream.requests[0]?.body.toString() ?? '').model).toBe(upstream);
    expect(gateway.records[0]?.model).toBe(name);
  });

  it('without a house key is 503 for who brings no token', async () => {
    const keyless = await startGatewayApp({ OPENAI_API_KEY: '' });
    try {
      const got = await keyless.post(CHAT, { model: 'openai/gpt-4o', messages: [] });
      expect(got.status).toBe(503);
      expect(await got.json()).toMatchObject({ error: { code: 'provider_not_configured' } });
      expect(keyless.upstream.requests).toHaveLength(0);
    } finally {
      await keyless.close();
    }
  });
});

describe('the list of models', () => {
  beforeEach(async () => {
    gateway = await start();
  });
  afterEach(() => gateway.close());

  const LISTS: UpstreamAnswer = (response, request) => {
    const data = request.url.startsWith('/openai')
      ? [{ id: 'gpt-4o' }, { id: 'bad id' }, null]
      : request.url.startsWith('/anthropic')
        ? [{ id: 'claude-opus-5' }]
        : [{ id: 'models/gemini-2.5-flash' }];
    return json({ data })(response, request);
  };
  const get = (path: string, headers: Record<string, string> = { authorization: `Bearer ${gateway.apiKey}` }) =>
    fetch(gateway.url + path, { headers });
  const ids = async (got: Response) => ((await got.json()) as { data: { id: string }[] }).data.map(({ id }) => id);

  it('has the built-in, the providers and the aliases, and is kept', async () => {
    gateway.upstream.answer = LISTS;
    const all = [
      'core-nest/echo',
      'openai/gpt-4o',
      'anthropic/claude-opus-5',
      'gemini/gemini-2.5-flash',
      'fast',
      'gpt-4o',
      'say',
    ];
    expect(await ids(await get('/v1/models'))).toEqual(all);
    expect(await ids(await get('/v1/models'))).toEqual(all);
    expect(gateway.upstream.requests).toHaveLength(3);
  });

  it.each(['openai/gpt-4o', 'openai%2Fgpt-4o', 'say', 'claude-opus-5'])('has %s', async (id) => {
    gateway.upstream.answer = LISTS;
    const got = await get(`/v1/models/${id}`);
    expect(got.status).toBe(200);
    expect(await got.json()).toMatchObject({ id: decodeURIComponent(id), object: 'model' });
  });

  it.each(['openai/gpt-5', 'nobody/knows', 'core-nest', '..%2Fx'])('does not have %s', async (id) => {
    gateway.upstream.answer = LISTS;
    const got = await get(`/v1/models/${id}`);
    expect(got.status).toBe(404);
    expect(await got.json()).toMatchObject({ error: { code: 'model_not_found' } });
  });

  it('leaves out a provider that fails or dawdles', async () => {
    gateway.upstream.answer = (response, request) => {
      if (request.url.startsWith('/anthropic')) return json({ error: {} }, 500)(response, request);
      if (request.url.startsWith('/gemini')) return undefined;
      return LISTS(response, request);
    };
    const began = Date.now();
    const listed = await ids(await get('/v1/models'));
    expect(listed.filter((id) => id.includes('/'))).toEqual(['core-nest/echo', 'openai/gpt-4o']);
    expect(Date.now() - began).toBeLessThan(4_000);
  });

  it('is asked for with the own token of who brings one, of that provider alone, and not kept', async () => {
    gateway.upstream.answer = LISTS;
    for (const _ of [1, 2])
      expect(await ids(await get('/v1/models', { 'x-provider-token': OWN.openai }))).toEqual([
        'core-nest/echo',
        'openai/gpt-4o',
        'fast',
        'gpt-4o',
        'say',
      ]);
    expect(gateway.upstream.requests.map(({ url }) => url)).toEqual(['/openai/v1/models', '/openai/v1/models']);
    expect(gateway.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${OWN.openai}`);
  });
});

describe('POST /api/v1/query', () => {
  const chat = (content: string) => ({
    choices: [{ message: { role: 'assistant', content } }],
    usage: { prompt_tokens: 10, completion_tokens: 4 },
  });

  it('answers with the default model', async () => {
    const got = await gateway.post('/api/v1/query', { query: 'how are you' });
    expect(got.status).toBe(200);
    expect(await got.json()).toEqual({
      answer: 'how are you',
      model: 'core-nest/echo',
      usage: { input_tokens: 3, output_tokens: 3, total_tokens: 6 },
      request_id: got.headers.get('x-request-id'),
    });
  });

  it('lets the reasoning model think first, and adds up what was used', async () => {
    gateway.upstream.answer = (response, request) =>
      json(chat(request.url.startsWith('/openai') ? 'a thought' : 'the answer'))(response, request);
    const body = { query: 'why?', model: 'claude-opus-5', reasoning_model: 'openai/o3' };
    const got = await gateway.post('/api/v1/query', body);
    expect(await got.json()).toMatchObject({
      answer: 'the answer',
      model: 'anthropic/claude-opus-5',
      usage: { input_tokens: 20, output_tokens: 8, total_tokens: 28 },
    });
    const [thinking, answering] = gateway.upstream.requests;
    expect(thinking?.url).toBe('/openai/v1/chat/completions');
    expect(answering?.url).toBe('/anthropic/v1/chat/completions');
    expect(JSON.parse(answering?.body.toString() ?? '').messages).toEqual([
      { role: 'system', content: 'Reasoning about the question that follows:\na thought' },
      { role: 'user', content: 'why?' },
    ]);
    expect(gateway.records[0]).toMatchObject({ provider: 'anthropic', inputTokens: 20, outputTokens: 8 });
  });

  it('takes a caller with its own token', async () => {
    gateway.upstream.answer = json(chat('ok'));
    const got = await byot('/api/v1/query', { query: 'x', model: 'openai/gpt-4o' }, OWN.openai);
    expect(await got.json()).toMatchObject({ answer: 'ok' });
    expect(gateway.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${OWN.openai}`);
  });

  it('spends nothing when one of two models has no key', async () => {
    const body = { query: 'x', reasoning_model: 'openai/o3', model: 'claude-opus-5' };
    expect((await byot('/api/v1/query', body, OWN.openai)).status).toBe(400);
    expect(gateway.upstream.requests).toHaveLength(0);
  });

  it.each([
    [{}, 400, 'body.query'],
    [{ query: '' }, 400, 'body.query'],
    [{ query: 'x', modell: 'y' }, 400, 'body.modell'],
    [{ query: 'x', model: 7 }, 400, 'body.model'],
  ])('refuses %j', async (body, status, location) => {
    const got = await gateway.post('/api/v1/query', body);
    expect(got.status).toBe(status);
    expect(got.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(((await got.json()) as { errors: { location: string }[] }).errors[0]?.location).toBe(location);
  });

  it.each([
    [json({ error: {} }, 500), 502, 'provider_error'],
    [json({ error: {} }, 401), 502, 'provider_error'],
    [json({ nothing: 1 }), 502, 'provider_error'],
    [json({}, 302, { location: '/x' }), 502, 'provider_error'],
    [((response) => void response.destroy()) satisfies UpstreamAnswer as UpstreamAnswer, 502, 'provider_error'],
  ])('is 502 when the provider fails (%#)', async (answer, status, code) => {
    gateway.upstream.answer = answer;
    const got = await gateway.post('/api/v1/query', { query: 'x', model: 'gpt-3.5-turbo' });
    expect(got.status).toBe(status);
    expect(await got.json()).toMatchObject({ code, status });
    expect(gateway.upstream.requests).toHaveLength(1);
  });
});
