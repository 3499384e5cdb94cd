import { type GatewayApp, HOUSE_KEYS, startGatewayApp } from '../support/gateway-app.js';
import { json } from '../support/upstream.js';

const CHAT = '/v1/chat/completions';
const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

let gateway: GatewayApp;
beforeAll(async () => {
  gateway = await startGatewayApp();
});
afterAll(() => gateway.close());
beforeEach(() => {
  gateway.upstream.requests.length = 0;
  gateway.records.length = 0;
  gateway.upstream.answer = json({});
});

const lastRequest = () => {
  const request = gateway.upstream.requests.at(-1);
  if (request === undefined) throw new Error('nothing was forwarded');
  return request;
};

describe('the request that is forwarded', () => {
  it('has the received bytes, but for the model', async () => {
    const sent =
      '{ "messages" : [ {"role":"user","content":"caf\\u00e9 😀"} ],\n\t"model"\t: "openai/gpt-4o-mini" ,"x":1e2,"y":0.10 }';
    await gateway.post(CHAT, sent);
    expect(lastRequest().url).toBe('/openai/v1/chat/completions');
    expect(lastRequest().body.toString()).toBe(sent.replace('openai/gpt-4o-mini', 'gpt-4o-mini'));
  });

  it('has exactly the headers a provider needs', async () => {
    await gateway.post(
      CHAT,
      { model: 'openai/gpt-4o-mini', messages: [] },
      {
        'openai-beta': 'assistants=v2',
        cookie: 'canary-cookie',
        'x-forwarded-for': '203.0.113.9',
        forwarded: 'for=203.0.113.9',
        via: '1.1 canary',
        te: 'trailers',
        'proxy-authorization': 'Basic canary',
        'x-custom': 'canary',
        'openai-organization': 'org-canary',
        'accept-encoding': 'gzip',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    );
    const { host, 'content-length': length, ...headers } = lastRequest().headers;
    expect(headers).toEqual({
      connection: 'keep-alive',
      authorization: `Bearer ${HOUSE_KEYS.openai}`,
      'content-type': 'application/json',
      accept: '*/*',
      'accept-encoding': 'identity',
      'user-agent': 'core-nest',
      'openai-beta': 'assistants=v2',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    expect(host).toBe(new URL(gateway.upstream.origin).host);
    expect(length).toBe(String(lastRequest().body.length));
    expect(lastRequest().rawHeaders.join('\n')).not.toMatch(/canary|203\.0\.113/);
  });

  it('never has the credential of the client', async () => {
    for (const header of ['x-api-key', 'api-key', 'x-goog-api-key']) {
      await fetch(`${gateway.url}${CHAT}`, {
        method: 'POST',
        headers: { [header]: gateway.apiKey, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'openai/gpt-4o-mini', messages: [] }),
      });
    }
    expect(gateway.upstream.requests).toHaveLength(3);
    for (const request of gateway.upstream.requests) {
      expect(JSON.stringify([request.rawHeaders, request.url, request.body.toString()])).not.toContain(gateway.apiKey);
    }
  });

  it.each([
    ['openai/gpt-4o', CHAT, '/openai/v1/chat/completions', 'authorization', `Bearer ${HOUSE_KEYS.openai}`],
    [
      'openai/gpt-3.5-turbo-instruct',
      '/v1/completions',
      '/openai/v1/completions',
      'authorization',
      `Bearer ${HOUSE_KEYS.openai}`,
    ],
    ['gpt-4o', '/v1/responses', '/openai/v1/responses', 'authorization', `Bearer ${HOUSE_KEYS.openai}`],
    [
      'text-embedding-3-small',
      '/v1/embeddings',
      '/openai/v1/embeddings',
      'authorization',
      `Bearer ${HOUSE_KEYS.openai}`,
    ],
    [
      'anthropic/claude-sonnet-4-5',
      CHAT,
      '/anthropic/v1/chat/completions',
      'authorization',
      `Bearer ${HOUSE_KEYS.anthropic}`,
    ],
    ['claude-sonnet-4-5', '/v1/messages', '/anthropic/v1/messages', 'x-api-key', HOUSE_KEYS.anthropic],
    [
      'claude-sonnet-4-5',
      '/v1/messages/count_tokens',
      '/anthropic/v1/messages/count_tokens',
      'x-api-key',
      HOUSE_KEYS.anthropic,
    ],
    [
      'gemini/gemini-2.5-flash',
      CHAT,
      '/gemini/v1beta/openai/chat/completions',
      'authorization',
      `Bearer ${HOUSE_KEYS.gemini}`,
    ],
    [
      'gemini-embedding-001',
      '/v1/embeddings',
      '/gemini/v1beta/openai/embeddings',
      'authorization',
      `Bearer ${HOUSE_KEYS.gemini}`,
    ],
  ])('takes %s on %s to %s', async (model, route, path, header, key) => {
    const answer = await gateway.post(route, { model, max_tokens: 1, messages: [], input: 'x', prompt: 'x' });
    expect(answer.status).toBe(200);
    expect(lastRequest().url).toBe(path);
    expect(lastRequest().headers[header]).toBe(key);
    expect(JSON.parse(lastRequest().body.toString()).model).toBe(model.replace(/^.*\//, ''));
  });

  it.each([
    ['gemini-2.5-flash:generateContent', '/gemini/v1beta/models/gemini-2.5-flash:generateContent'],
    ['gemini/gemini-2.5-flash:generateContent', '/gemini/v1beta/models/gemini-2.5-flash:generateContent'],
    ['gemini%2Fgemini-2.5-flash:generateContent', '/gemini/v1beta/models/gemini-2.5-flash:generateContent'],
    [
      'gemini-2.5-flash:streamGenerateContent?alt=sse&key=canary',
      '/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    ],
    ['gemini-2.5-flash:streamGenerateContent', '/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent'],
  ])('takes /v1beta/models/%s to %s', async (target, path) => {
    const answer = await gateway.post(`/v1beta/models/${target}`, { contents: [] });
    expect(answer.status).toBe(200);
    expect(lastRequest().url).toBe(path);
    expect(lastRequest().headers['x-goog-api-key']).toBe(HOUSE_KEYS.gemini);
    expect(lastRequest().body.toString()).toBe('{"contents":[]}');
  });

  it.each([
    'gemini/..%2F..%2Fx',
    'gemini/..',
    'gemini-x%3Falt=sse',
    'gemini-x%23',
    'gemini-%00',
    'gemini/%5C%5Cevil',
    'gemini-x%2F..%2Fy',
    '@evil.example',
    'gemini/https:%2F%2Fevil.example',
    'gemini-x%20y',
    'gemini-x%252F..',
  ])('forwards nothing for a model named %s', async (model) => {
    const answer = await gateway.post(`/v1beta/models/${model}:generateContent`, { contents: [] });
    expect([400, 404]).toContain(answer.status);
    expect(gateway.upstream.requests).toHaveLength(0);
  });
});

describe('the answer that is passed on', () => {
  it.each([256, 20_480])('keeps every byte of a body of %i, whatever it is', async (length) => {
    const body = Buffer.from(Array.from({ length }, (_, index) => index % 256));
    gateway.upstream.answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': length }).end(body);
    };
    const response = await gateway.post(CHAT, { model: 'openai/gpt-4o-mini', messages: [] });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  it('has the bytes of the provider and the headers that are allowed, beside our own', async () => {
    const answer = { id: 'x', choices: [], usage: USAGE };
    gateway.upstream.answer = json(answer, 200, {
      'set-cookie': 'canary=1',
      'www-authenticate': 'Bearer canary',
      authorization: 'canary',
      server: 'canary',
      via: 'canary',
      location: 'https://canary.example',
      'x-request-id': 'canary',
      'x-ratelimit-limit': 'canary',
      'x-ratelimit-remaining-requests': 'canary',
      'openai-organization': 'canary',
      'strict-transport-security': 'canary',
      'keep-alive': 'timeout=5',
      'openai-processing-ms': '12',
      'request-id': 'req_1',
    });
    const got = await gateway.post(CHAT, { model: 'openai/gpt-4o', messages: [] });
    expect(await got.text()).toBe(JSON.stringify(answer));
    expect(JSON.stringify([...got.headers])).not.toContain('canary');
    expect(got.headers.get('openai-processing-ms')).toBe('12');
    expect(got.headers.get('request-id')).toBe('req_1');
    expect(got.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
    expect(got.headers.get('x-ratelimit-limit')).toBe('100000');
    expect(got.headers.get('cache-control')).toBe('no-store');
    expect(got.headers.get('x-content-type-options')).toBe('nosniff');
    expect(gateway.records[0]).toMatchObject({
      status: 200,
      provider: 'openai',
      model: 'openai/gpt-4o',
      stream: false,
      inputTokens: 11,
      outputTokens: 7,
      errorCode: null,
      aborted: false,
    });
  });

  it.each([400, 404, 409, 422, 429, 500, 503])('has the status and body of an error %i', async (status) => {
    const error = { error: { message: 'no', type: 'x', param: null, code: 'y' } };
    gateway.upstream.answer = json(error, status, { 'retry-after': '3' });
    const got = await gateway.post(CHAT, { model: 'openai/gpt-4o', messages: [] });
    expect(got.status).toBe(status);
    expect(got.headers.get('retry-after')).toBe('3');
    expect(await got.json()).toEqual(error);
    expect(gateway.records[0]).toMatchObject({ errorCode: `provider_${status}`, inputTokens: null });
    expect(gateway.upstream.requests).toHaveLength(1);
  });

  it.each([401, 403])('is 502 when the provider answers %i to the house key', async (status) => {
    gateway.upstream.answer = json({ error: { message: 'Incorrect API key sk-house' } }, status);
    const got = await gateway.post(CHAT, { model: 'openai/gpt-4o', messages: [] });
    expect(got.status).toBe(502);
    const { error } = (await got.json()) as { error: { code: string; message: string } };
    expect(error.code).toBe('provider_error');
    expect(error.message).toBe('The provider refused the key this gateway holds for it. Tell its operator.');
  });

  it.each([301, 302, 303, 307, 308])('is 502 for a redirect %i, which is not followed', async (status) => {
    gateway.upstream.answer = json({}, status, { location: `${gateway.upstream.origin}/elsewhere` });
    const got = await gateway.post(CHAT, { model: 'openai/gpt-4o', messages: [] });
    expect(got.status).toBe(502);
    expect(await got.json()).toMatchObject({ error: { code: 'provider_error' } });
    expect(got.headers.get('location')).toBeNull();
    expect(gateway.upstream.requests).toHaveLength(1);
  });
});

describe('a request that is refused', () => {
  it.each([
    ['{"model":"openai/gpt-4o","model":"openai/gpt-4o-mini"}', 400, 'invalid_request', 'model'],
    ['{"model":"core-nest/echo","mod\\u0065l":"openai/gpt-4o"}', 400, 'invalid_request', 'model'],
    ['{"model":"openai/gpt-4o","stream":false,"stream":true}', 400, 'invalid_request', 'stream'],
    ['{"messages":[]}', 400, 'invalid_request', 'model'],
    ['{"model":7}', 400, 'invalid_request', 'model'],
    ['[]', 400, 'malformed_body', null],
    ['{"model":', 400, 'malformed_body', null],
    ['', 400, 'malformed_body', null],
    ['{"model":"nobody/knows"}', 404, 'model_not_found', null],
    ['{"model":"llama-3"}', 404, 'model_not_found', null],
    ['{"model":"core-nest/other"}', 404, 'model_not_found', null],
    ['{"model":"openai/"}', 404, 'model_not_found', null],
    ['{"model":"openai/a b"}', 404, 'model_not_found', null],
    ['{"model":"https://evil.example/gpt-4o"}', 404, 'model_not_found', null],
  ])('%s', async (body, status, code, param) => {
    const got = await gateway.post(CHAT, body);
    expect(got.status).toBe(status);
    expect(await got.json()).toMatchObject({ error: { code, param } });
    expect(gateway.upstream.requests).toHaveLength(0);
  });

  it('says where a model of another surface is served', async () => {
    const got = await gateway.post('/v1/messages', { model: 'openai/gpt-4o', max_tokens: 1, messages: [] });
    expect(got.status).toBe(400);
    expect(await got.json()).toMatchObject({
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: expect.stringContaining('models of openai are served on POST /v1/chat/completions'),
      },
    });
  });

  it.each([
    ['content-type', 'text/plain'],
    ['content-encoding', 'gzip'],
  ])('415 for %s %s', async (name, value) => {
    const got = await gateway.post(CHAT, '{"model":"core-nest/echo","messages":[]}', { [name]: value });
    expect(got.status).toBe(415);
  });
});
