import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestRecord } from '../../kernel/request-record.js';
import { collect } from './collect.js';
import { relay } from './relay.js';
import { readRequestBody, withModel } from './request-body.js';
import { UpstreamPool } from './upstream-pool.js';
import { OPENAI_USAGE } from './usage-tap.js';

const REQUESTS = 400;
const AT_ONCE = 8;
const TIMEOUTS = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 };
const QUESTION = Buffer.from(
  JSON.stringify({
    messages: [
      { role: 'system', content: 'warm up' },
      { role: 'user', content: 'Say "hello" to everyone.\n'.repeat(8) },
    ],
    model: 'openai/warm-up',
    stream: false,
  }),
);
const USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const ANSWER = JSON.stringify({
  object: 'chat.completion',
  choices: [{ message: { content: 'hello' } }],
  usage: USAGE,
});
const EVENT = `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ delta: { content: 'hello' } }] })}\n\n`;
const LAST_EVENT = `data: ${JSON.stringify({ choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`;

/**
 * Takes some hundred requests over loopback, whole and streamed, through the code that forwards them, so that the
 * first callers do not pay for its compilation (they would: two to five times). Takes well under a second.
 */
export async function warmUpDataPlane(): Promise<void> {
  const provider = createServer(answerAsProvider);
  const gateway = createServer();
  try {
    const upstream = new UpstreamPool(await listen(provider), TIMEOUTS, AT_ONCE);
    gateway.on('request', (request, response) => void forward(upstream, request, response));
    const callers = new UpstreamPool(await listen(gateway), TIMEOUTS, AT_ONCE);
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => call(callers, index)));
    } finally {
      await Promise.all([callers.destroy(), upstream.destroy()]);
    }
  } finally {
    for (const server of [gateway, provider]) {
      server.close();
      server.closeAllConnections();
    }
  }
}

async function call(pool: UpstreamPool, worker: number): Promise<void> {
  for (let index = worker; index < REQUESTS; index += AT_ONCE) {
    const path = index % 4 === 0 ? '/stream' : '/whole';
    await collect({ pool, method: 'GET', path, headers: {}, maxBytes: 65_536 });
  }
}

async function forward(pool: UpstreamPool, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await relay({
      pool,
      path: request.url ?? '/',
      headers: { 'content-type': 'application/json' },
      body: withModel(readRequestBody(QUESTION), 'warm-up'),
      callersOwnKey: false,
      usageDialect: OPENAI_USAGE,
      record: new RequestRecord('warm-up', 'POST', '127.0.0.1', 'none', 0),
      reply: {
        raw: response,
        getHeaders: () => ({}) as Record<string, string>,
        hijack() {
          return this as never;
        },
      },
    });
  } catch {
    response.destroy();
  }
}

function answerAsProvider(request: IncomingMessage, response: ServerResponse): void {
  request.resume().on('end', () => {
    if (request.url === '/whole') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length }).end(ANSWER);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let index = 0; index < 8; index += 1) response.write(EVENT);
    response.end(LAST_EVENT);
  });
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}
