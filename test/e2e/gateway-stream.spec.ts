import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { startDeafServer } from '../support/deaf-server.js';
import { eventually } from '../support/eventually.js';
import { type GatewayApp, startGatewayApp } from '../support/gateway-app.js';
import { startUpstream, type UpstreamAnswer } from '../support/upstream.js';

const CHAT = '/v1/chat/completions';
const BODY = JSON.stringify({ model: 'openai/gpt-4o', stream: true, messages: [{ role: 'user', content: 'hi' }] });
const FIRST_BYTE_MS = 600;
const IDLE_MS = 1_000;

let gateway: GatewayApp;
beforeAll(async () => {
  gateway = await startGatewayApp({
    PROVIDER_CONNECT_TIMEOUT_MS: '300',
    PROVIDER_FIRST_BYTE_TIMEOUT_MS: String(FIRST_BYTE_MS),
    PROVIDER_IDLE_TIMEOUT_MS: String(IDLE_MS),
  });
});
afterAll(() => gateway.close());
beforeEach(() => {
  gateway.upstream.requests.length = 0;
  gateway.upstream.aborted.length = 0;
  gateway.records.length = 0;
});

interface Streaming {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
}

/** A request on a connection of its own, back as soon as the headers of the answer are. */
function open(body = BODY, path = CHAT): Promise<Streaming> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      `${gateway.url}${path}`,
      {
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json' },
      },
      (response) => resolve({ request, response }),
    );
    request.on('error', reject);
    request.end(body);
  });
}

const events =
  (write: (response: Parameters<UpstreamAnswer>[0]) => void | Promise<void>): UpstreamAnswer =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    return write(response);
  };

describe('a stream', () => {
  it('passes each event on before the provider sends the next', async () => {
    const sent: string[] = [];
    let next = () => {};
    gateway.upstream.answer = events((response) => {
      next = () => {
        const event = `data: {"n":${sent.length}}\n\n`;
        sent.push(event);
        response.write(event);
        if (sent.length === 5) response.end('data: [DONE]\n\n');
      };
      response.flushHeaders();
    });
    const { response } = await open();
    expect(response.headers['content-type']).toBe('text/event-stream');
    expect(sent).toHaveLength(0);
    let got = '';
    response.on('data', (chunk: Buffer) => {
      got += chunk;
      if (sent.length < 5 && got === sent.join('')) next();
    });
    next();
    await new Promise((resolve) => response.on('end', resolve));
    expect(got).toBe(`${sent.join('')}data: [DONE]\n\n`);
    expect(sent).toHaveLength(5);
  });

  it.each([
    [
      'OpenAI',
      CHAT,
      BODY,
      'data: {"choices":[{"delta":{"content":"\\"usage\\":{\\"prompt_tokens\\":1}"}}],"usage":null}\n\ndata: {"choices":[],"usage":{"prompt_tokens":21,"completion_tokens":8,"total_tokens":29}}\n\ndata: [DONE]\n\n',
      [21, 8],
    ],
    [
      'Anthropic',
      '/v1/messages',
      '{"model":"claude-sonnet-4-5","max_tokens":9,"stream":true,"messages":[]}',
      `event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":100,"output_tokens":1}}}\n\n${'event: ping\ndata: {"type":"ping"}\n\n'.repeat(2000)}event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":33}}\n\n`,
      [105, 33],
    ],
    [
      'Gemini',
      '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
      '{"contents":[]}',
      'data: {"usageMetadata":{"promptTokenCount":4}}\r\n\r\ndata: {"usageMetadata": {"promptTokenCount":4,"candidatesTokenCount":6,"thoughtsTokenCount":2}}\r\n\r\n',
      [4, 8],
    ],
  ])('of %s has its usage read on the way', async (_name, path, body, text, [input, output]) => {
    gateway.upstream.answer = events((response) => {
      for (const piece of text.match(/.{1,100}/gs) ?? []) response.write(piece);
      response.end();
    });
    const { response } = await open(body, path);
    let got = '';
    for await (const chunk of response) got += chunk;
    expect(got).toBe(text);
    await eventually(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ stream: true, inputTokens: input, outputTokens: output });
  });

  it('is read from the provider no faster than the client reads', async () => {
    const block = Buffer.alloc(65_536, 'x');
    let written = 0;
    gateway.upstream.answer = events((response) => {
      const more = () => {
        while (written < 1024) {
          written += 1;
          if (!response.write(block)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const { request, response } = await open();
    response.pause();
    let before = -1;
    await eventually(() => {
      const same = before === written;
      before = written;
      return same;
    });
    expect(written).toBeLessThan(512);
    response.resume();
    let received = 0;
    response.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    await new Promise((resolve) => response.on('end', resolve));
    expect(received).toBe(1024 * block.length);
    request.destroy();
  });

  it('whose client stops reading for longer than the idle time-out is broken off', async () => {
    gateway.upstream.answer = events((response) => {
      const more = () => {
        while (response.writable && response.write(Buffer.alloc(65_536)));
        response.once('drain', more);
      };
      more();
    });
    const { request, response } = await open();
    request.on('error', () => undefined);
    response.on('error', () => undefined).pause();
    await eventually(() => gateway.upstream.aborted.length === 1);
    await eventually(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ errorCode: 'client_stalled', aborted: true });
  });
});

describe('a client that leaves', () => {
  it.each(['before the first byte', 'inside the stream'])(
    '%s aborts the upstream call within a second',
    async (when) => {
      const started = when === 'inside the stream';
      gateway.upstream.answer = (response) => {
        if (started) response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n');
      };
      const opening = open();
      opening.catch(() => undefined);
      await eventually(() => gateway.upstream.requests.length === 1);
      const request = started ? (await opening).request : null;
      const left = Date.now();
      if (request) request.destroy();
      else gateway.app.getHttpServer().closeAllConnections();
      await eventually(() => gateway.upstream.aborted.length === 1, 1_000);
      expect(Date.now() - left).toBeLessThan(1_000);
      await eventually(() => gateway.records.length === 1);
      expect(gateway.records[0]?.aborted).toBe(true);
    },
  );
});

describe('a provider that is slow or breaks', () => {
  it('before its first byte: 504 after the time-out, asked once', async () => {
    gateway.upstream.answer = () => undefined;
    const began = Date.now();
    const { response } = await open();
    expect(response.statusCode).toBe(504);
    expect(Date.now() - began).toBeGreaterThanOrEqual(FIRST_BYTE_MS - 50);
    expect(await text(response)).toContain('"code":"provider_timeout"');
    await eventually(() => gateway.upstream.aborted.length === 1);
    expect(gateway.upstream.requests).toHaveLength(1);
  });

  it('by closing before its first byte: 502, asked once', async () => {
    gateway.upstream.answer = (response) => void response.destroy();
    const { response } = await open();
    expect(response.statusCode).toBe(502);
    expect(await text(response)).toContain('"code":"provider_error"');
    expect(gateway.upstream.requests).toHaveLength(1);
  });

  it.each([
    ['pauses', 'provider_timeout', () => undefined],
    ['closes', 'provider_error', (response: Parameters<UpstreamAnswer>[0]) => void response.destroy()],
  ])('and %s inside its answer: the connection breaks, the answer does not end', async (_how, errorCode, then) => {
    gateway.upstream.answer = events((response) => {
      response.write('data: {"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n', () => then(response));
    });
    const { response } = await open();
    await expect(text(response)).rejects.toThrow('aborted');
    await eventually(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ status: 200, aborted: true, errorCode, inputTokens: 3 });
    expect(gateway.upstream.requests).toHaveLength(1);
  });

  it('and ends short of the length it announced: the connection breaks', async () => {
    gateway.upstream.answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      response.write('{"half":', () => response.destroy());
    };
    const { response } = await open();
    await expect(text(response)).rejects.toThrow('aborted');
  });
});

describe('a provider that cannot be connected to', () => {
  let other: GatewayApp | null = null;
  afterEach(async () => {
    await other?.close();
    other = null;
  });

  it('because nothing listens: 502', async () => {
    const gone = await startUpstream();
    await gone.close();
    other = await startGatewayApp({ OPENAI_BASE_URL: `${gone.origin}/v1` });
    const got = await other.post(CHAT, { model: 'openai/gpt-4o', messages: [] });
    expect(got.status).toBe(502);
    expect(await got.json()).toMatchObject({ error: { code: 'provider_error' } });
  });

  it('because it does not answer: 504 after the time-out', async () => {
    const deaf = await startDeafServer();
    other = await startGatewayApp({ OPENAI_BASE_URL: `${deaf.origin}/v1`, PROVIDER_CONNECT_TIMEOUT_MS: '200' });
    const got = await other.post(CHAT, { model: 'openai/gpt-4o', messages: [] });
    deaf.close();
    expect(await got.json()).toMatchObject({
      error: { code: 'provider_timeout', message: 'The provider could not be connected to in time.' },
    });
    expect(got.status).toBe(504);
  });
});

async function text(response: IncomingMessage): Promise<string> {
  let got = '';
  for await (const chunk of response) got += chunk;
  return got;
}
