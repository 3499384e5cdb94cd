import { Redis } from 'ioredis';
import { type AppProcess, startAppProcess } from './app-process.js';
import type { Canaries } from './canaries.js';
import { type InsertedClient, insertClient } from './insert-client.js';
import { RawConnection, type RawResponse } from './raw-http.js';
import { RedisServer } from './redis-server.js';
import { TcpProxy } from './tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { json, startUpstream, type Upstream, type UpstreamAnswer } from './upstream.js';

export type Line = readonly [name: string, value: string];

/** The whole application in its own process at its most talkative, with real secrets in every place that holds one. */
export interface SprayedApp {
  readonly process: AppProcess;
  readonly database: TestDatabase;
  readonly redis: Redis;
  readonly toPostgres: TcpProxy;
  readonly toRedis: TcpProxy;
  readonly upstream: Upstream;
  readonly admin: InsertedClient;
  /** All that Redis was told since the start. */
  readonly toldRedis: readonly string[];
  /** One request on a connection of its own, with exactly these header lines; null when it got no answer. */
  ask(target: string, lines: readonly Line[], body?: string): Promise<RawResponse | null>;
  /** Makes a client through the API; its secret is a canary from then on. */
  makeClient(fields: object): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts it. All its secrets are among the canaries: those of clients, of the provider, of PostgreSQL, and its own.
 *
 * @param settings environment variables over those of this test.
 */
export async function startSprayedApp(
  canaries: Canaries,
  settings: Readonly<Record<string, string>> = {},
): Promise<SprayedApp> {
  const [database, server, upstream] = await Promise.all([createTestDatabase(), RedisServer.start(), startUpstream()]);
  const [toPostgres, toRedis] = await Promise.all([TcpProxy.start(database.url), TcpProxy.start(server.url)]);
  const redis = new Redis(server.url);
  const toldRedis: string[] = [];
  const monitor = await redis.monitor();
  monitor.on('monitor', (_time, words: string[]) => toldRedis.push(words.join(' ')));
  upstream.answer = tellingBack(canaries);
  canaries.add('the password of PostgreSQL', new URL(database.url).password);
  const child = await startAppProcess({
    DATABASE_URL: toPostgres.through(database.url),
    REDIS_URL: toRedis.through(server.url),
    MASTER_KEY: canaries.plant('MASTER_KEY'),
    LOG_LEVEL: 'trace',
    RATE_LIMITS: 'general.paid=1000000/60,general.free=1/36000,key_creation=1000/60,query=1000/60',
    OPENAI_API_KEY: canaries.plant('the house key', 'provider-token'),
    OPENAI_BASE_URL: `${upstream.origin}/v1`,
    ANTHROPIC_BASE_URL: upstream.origin,
    GEMINI_BASE_URL: upstream.origin,
    PROVIDER_FIRST_BYTE_TIMEOUT_MS: '300',
    MAX_BODY_BYTES: '100000',
    BYOT_MAX_BODY_BYTES: '100000',
    ...settings,
  });
  const admin = await insertClient(database, { scopes: ['admin'] });
  canaries.add('the secret of the administrator', admin.secret);

  const ask = (target: string, lines: readonly Line[], body = '') => askOn(child.port, target, lines, body);
  return {
    process: child,
    database,
    redis,
    toPostgres,
    toRedis,
    upstream,
    admin,
    toldRedis,
    ask,
    makeClient: async (fields) => {
      const body = JSON.stringify({ name: 'made', ...fields });
      const made = await ask('POST /api/v1/clients', [['X-API-Key', admin.apiKey]], body);
      const { client_id: id, api_key: key } = JSON.parse(made?.body ?? '') as Record<string, string>;
      if (id === undefined || key === undefined) throw new Error('No client was made.');
      canaries.add('the secret of a client', key.slice(id.length + 1, -'012345'.length));
      return key;
    },
    stop: async () => {
      child.child.kill('SIGKILL');
      monitor.disconnect();
      redis.disconnect();
      await Promise.all([toPostgres.stop(), toRedis.stop(), server.stop(), upstream.close()]);
      await database.drop();
    },
  };
}

async function askOn(port: number, target: string, lines: readonly Line[], body: string): Promise<RawResponse | null> {
  const connection = await RawConnection.open(port);
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const type = lines.some(([name]) => name === 'Content-Type') ? '' : 'Content-Type: application/json\r\n';
  const framing = body === '' ? '' : `${type}Content-Length: ${Buffer.byteLength(body)}\r\n`;
  connection.send(`${target} HTTP/1.1\r\nHost: x\r\n${head}${framing}\r\n${body}`);
  const response = await connection.response();
  connection.close();
  return response;
}

/** A provider that tells back whatever it was sent, with the outcome that the model's name asks for. */
function tellingBack(canaries: Canaries): UpstreamAnswer {
  return (response, request) => {
    const text = request.body.toString();
    const told = { error: { message: `You sent ${JSON.stringify(request.headers)} ${text}` } };
    const headers = { 'set-cookie': canaries.plant('a cookie of the provider') };
    if (text.includes('says-500')) return json(told, 500, headers)(response, request);
    if (text.includes('says-401')) return json(told, 401, headers)(response, request);
    if (text.includes('says-nothing')) return undefined;
    if (text.includes('breaks-off')) return void response.socket?.destroy();
    if (!text.includes('cuts')) return json({ told }, 200, headers)(response, request);
    response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
    response.write(`data: ${JSON.stringify(told)}\n\n`, () => response.socket?.destroy());
    return undefined;
  };
}
