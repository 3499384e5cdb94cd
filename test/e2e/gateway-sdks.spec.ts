import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import { embed, generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { type GatewayApp, startGatewayApp } from '../support/gateway-app.js';
import { wrongKeyOf } from '../support/insert-client.js';
import { json } from '../support/upstream.js';

const ECHO = 'core-nest/echo';
const TEXT = 'Say "hello", wörld 😀\nagain';

let gateway: GatewayApp;
beforeAll(async () => {
  gateway = await startGatewayApp();
});
afterAll(() => gateway.close());
beforeEach(() => {
  gateway.upstream.requests.length = 0;
});

/** Answers 429 once with a wait of a second, then as told. */
function busyOnce(body: unknown, error: unknown): () => number {
  const times: number[] = [];
  gateway.upstream.answer = (response, request) => {
    times.push(performance.now());
    if (times.length === 1) return json(error, 429, { 'retry-after': '1' })(response, request);
    return json(body)(response, request);
  };
  return () => (times[1] ?? 0) - (times[0] ?? 0);
}

describe('openai', () => {
  const client = (apiKey = gateway.apiKey) => new OpenAI({ apiKey, baseURL: `${gateway.url}/v1` });

  it('chats', async () => {
    const answer = await client().chat.completions.create({ model: ECHO, messages: [{ role: 'user', content: TEXT }] });
    expect(answer.choices[0]?.message.content).toBe(TEXT);
    expect(answer.usage).toEqual({ prompt_tokens: 7, completion_tokens: 7, total_tokens: 14 });
    expect(answer._request_id).toMatch(/^[\w.-]{1,64}$/);
  });

  it('streams a chat, usage included', async () => {
    const stream = client().chat.completions.stream({
      model: ECHO,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: [{ type: 'text', text: TEXT }] }],
    });
    const deltas: string[] = [];
    stream.on('content', (delta) => deltas.push(delta));
    const final = await stream.finalChatCompletion();
    expect(deltas.join('')).toBe(TEXT);
    expect(deltas.length).toBeGreaterThan(2);
    expect(final.choices[0]?.message.content).toBe(TEXT);
    expect(final.usage?.total_tokens).toBe(14);
  });

  it('completes, whole and streamed', async () => {
    expect((await client().completions.create({ model: ECHO, prompt: TEXT })).choices[0]?.text).toBe(TEXT);
    let text = '';
    for await (const part of await client().completions.create({ model: ECHO, prompt: TEXT, stream: true }))
      text += part.choices[0]?.text ?? '';
    expect(text).toBe(TEXT);
  });

  it('embeds, with the vectors the SDK unpacks from base64', async () => {
    const create = (input: string[], encoding_format?: 'float') =>
      client().embeddings.create({ model: ECHO, input, dimensions: 8, encoding_format });
    const packed = await create(['a', 'b', 'a']);
    const plain = await create(['a', 'b', 'a'], 'float');
    const vectors = packed.data.map(({ embedding }) => [...embedding]);
    expect(vectors).toEqual(plain.data.map(({ embedding }) => embedding));
    expect(vectors[0]).toHaveLength(8);
    expect(vectors[0]).toEqual(vectors[2]);
    expect(vectors[0]).not.toEqual(vectors[1]);
    expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 5);
  });

  it('responds, whole and streamed', async () => {
    const whole = await client().responses.create({ model: ECHO, input: TEXT });
    expect(whole.output_text).toBe(TEXT);
    expect(whole.usage?.total_tokens).toBe(14);
    const stream = client().responses.stream({ model: ECHO, input: [{ role: 'user', content: TEXT }] });
    let text = '';
    stream.on('response.output_text.delta', ({ delta }) => {
      text += delta;
    });
    const final = await stream.finalResponse();
    expect(text).toBe(TEXT);
    expect(final.output_text).toBe(TEXT);
  });

  it('lists models and finds one', async () => {
    gateway.upstream.answer = json({ data: [] });
    const ids: string[] = [];
    for await (const model of client().models.list()) ids.push(model.id);
    expect(ids).toContain(ECHO);
    expect(await client().models.retrieve(ECHO)).toMatchObject({ id: ECHO, object: 'model', owned_by: 'core-nest' });
  });

  it('raises its own errors', async () => {
    const ask = (api: OpenAI, model: string, messages: [] | undefined = []) =>
      api.chat.completions.create({ model, messages } as never);
    const clientId = gateway.apiKey.slice(0, gateway.apiKey.lastIndexOf('_'));
    await expect(ask(client(wrongKeyOf(clientId)), ECHO)).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(ask(client(), 'nobody/knows')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    await expect(ask(client(), 'nobody/knows')).rejects.toThrow(OpenAI.NotFoundError);
    await expect(ask(client(), ECHO)).rejects.toThrow(OpenAI.BadRequestError);
    await expect(ask(client(), ECHO, undefined)).rejects.toMatchObject({ param: 'messages', code: 'invalid_request' });
    gateway.upstream.answer = json({ error: { message: 'slow down', code: 'rate_limit_exceeded' } }, 429);
    const impatient = new OpenAI({ apiKey: gateway.apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    await expect(ask(impatient, 'gpt-4o')).rejects.toThrow(OpenAI.RateLimitError);
  });

  it('waits as long as the provider says before it tries again', async () => {
    const waited = busyOnce({ choices: [{ message: { content: 'ok' } }] }, { error: { message: 'slow down' } });
    const answer = await client().chat.completions.create({ model: 'gpt-4o', messages: [] });
    expect(answer.choices[0]?.message.content).toBe('ok');
    expect(gateway.upstream.requests).toHaveLength(2);
    expect(waited()).toBeGreaterThan(950);
  });
});

describe('@anthropic-ai/sdk', () => {
  const ASK = { model: ECHO, max_tokens: 100, messages: [{ role: 'user' as const, content: TEXT }] };
  const withKey = () => new Anthropic({ apiKey: gateway.apiKey, baseURL: gateway.url });
  const withToken = () => new Anthropic({ apiKey: null, authToken: gateway.apiKey, baseURL: gateway.url });

  it.each([
    ['x-api-key', withKey],
    ['Bearer', withToken],
  ])('sends a message with %s', async (_how, client) => {
    const message = await client().messages.create(ASK);
    expect(message.content).toEqual([{ type: 'text', text: TEXT }]);
    expect(message.usage).toMatchObject({ input_tokens: 7, output_tokens: 7 });
  });

  it('streams a message', async () => {
    const stream = withKey().messages.stream(ASK);
    const deltas: string[] = [];
    stream.on('text', (delta) => deltas.push(delta));
    const final = await stream.finalMessage();
    expect(deltas.join('')).toBe(TEXT);
    expect(deltas.length).toBeGreaterThan(2);
    expect(final.usage).toMatchObject({ input_tokens: 7, output_tokens: 7 });
    expect(final.stop_reason).toBe('end_turn');
  });

  it('counts tokens and lists models', async () => {
    gateway.upstream.answer = json({ data: [] });
    expect(await withToken().messages.countTokens({ model: ECHO, messages: ASK.messages })).toEqual({
      input_tokens: 7,
    });
    const ids: string[] = [];
    for await (const model of withKey().models.list()) ids.push(model.id);
    expect(ids).toContain(ECHO);
  });

  it('raises its own errors', async () => {
    const clientId = gateway.apiKey.slice(0, gateway.apiKey.lastIndexOf('_'));
    const stranger = new Anthropic({ apiKey: wrongKeyOf(clientId), baseURL: gateway.url });
    await expect(stranger.messages.create(ASK)).rejects.toThrow(Anthropic.AuthenticationError);
    await expect(withKey().messages.create({ ...ASK, model: 'nobody/knows' })).rejects.toThrow(Anthropic.NotFoundError);
    await expect(withKey().messages.create({ ...ASK, max_tokens: 0 })).rejects.toMatchObject({
      status: 400,
      error: { type: 'error', error: { type: 'invalid_request_error' } },
    });
  });

  it('waits as long as the provider says before it tries again', async () => {
    const error = { type: 'error', error: { type: 'rate_limit_error', message: 'slow down' } };
    const waited = busyOnce({ content: [{ type: 'text', text: 'ok' }] }, error);
    const message = await withKey().messages.create({ ...ASK, model: 'claude-opus-5' });
    expect(message.content).toEqual([{ type: 'text', text: 'ok' }]);
    expect(waited()).toBeGreaterThan(950);
    gateway.upstream.answer = json(error, 429);
    const impatient = new Anthropic({ apiKey: gateway.apiKey, baseURL: gateway.url, maxRetries: 0 });
    await expect(impatient.messages.create({ ...ASK, model: 'claude-opus-5' })).rejects.toThrow(
      Anthropic.RateLimitError,
    );
  });
});

describe.each([undefined, 'v1', 'v1beta'])('@google/genai with API version %s', (apiVersion) => {
  const client = (apiKey = gateway.apiKey) =>
    new GoogleGenAI({ apiKey, apiVersion, httpOptions: { baseUrl: gateway.url } });

  it('generates', async () => {
    const answer = await client().models.generateContent({ model: ECHO, contents: TEXT });
    expect(answer.text).toBe(TEXT);
    expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 7, candidatesTokenCount: 7, totalTokenCount: 14 });
  });

  it('streams', async () => {
    const parts: string[] = [];
    for await (const part of await client().models.generateContentStream({ model: ECHO, contents: TEXT }))
      parts.push(part.text ?? '');
    expect(parts.join('')).toBe(TEXT);
    expect(parts.length).toBeGreaterThan(2);
  });

  it('reaches Gemini under its own model names', async () => {
    gateway.upstream.answer = json({ candidates: [{ content: { parts: [{ text: 'ok' }], role: 'model' } }] });
    const answer = await client().models.generateContent({ model: 'gemini-2.5-flash', contents: TEXT });
    expect(answer.text).toBe('ok');
    expect(gateway.upstream.requests[0]?.url).toBe('/gemini/v1beta/models/gemini-2.5-flash:generateContent');
  });

  it('raises its own errors', async () => {
    const ask = (api: GoogleGenAI, model: string) => api.models.generateContent({ model, contents: TEXT });
    const clientId = gateway.apiKey.slice(0, gateway.apiKey.lastIndexOf('_'));
    await expect(ask(client(wrongKeyOf(clientId)), ECHO)).rejects.toMatchObject({ status: 401 });
    await expect(ask(client(), 'nobody/knows')).rejects.toThrow(ApiError);
    await expect(ask(client(), 'nobody/knows')).rejects.toMatchObject({ status: 404 });
    await expect(ask(client(), 'nobody/knows')).rejects.toThrow(/"status":"NOT_FOUND"/);
  });
});

describe('ai with @ai-sdk/openai', () => {
  const openai = () => createOpenAI({ apiKey: gateway.apiKey, baseURL: `${gateway.url}/v1` });

  it.each(['chat', 'responses'] as const)('generates and streams by %s', async (api) => {
    const model = openai()[api](ECHO);
    const whole = await generateText({ model, prompt: TEXT });
    expect(whole.text).toBe(TEXT);
    expect(whole.usage.totalTokens).toBe(14);
    const stream = streamText({ model, prompt: TEXT });
    const parts: string[] = [];
    for await (const part of stream.textStream) parts.push(part);
    expect(parts.join('')).toBe(TEXT);
    expect(parts.length).toBeGreaterThan(2);
    expect((await stream.usage).totalTokens).toBe(14);
  });

  it('embeds', async () => {
    const { embedding } = await embed({ model: openai().embedding(ECHO), value: TEXT });
    expect(embedding).toHaveLength(256);
  });

  it('raises its own error', async () => {
    await expect(generateText({ model: openai().chat('nobody/knows'), prompt: TEXT })).rejects.toMatchObject({
      name: 'AI_APICallError',
      statusCode: 404,
      isRetryable: false,
    });
  });
});
