import { once } from 'node:events';
import { Agent, get, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, Module, Res } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AccessGuard } from '../../src/identity/access/access.guard.js';
import { AccessModule } from '../../src/identity/access/access.module.js';
import type { AuthState } from '../../src/kernel/auth-state.js';
import { AllowByot, RateClasses, Require } from '../../src/kernel/handler-marks.js';
import { RequestRecord } from '../../src/kernel/request-record.js';
import { Secret } from '../../src/kernel/secret.js';
import { ConfigModule } from '../../src/platform/config/config.module.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { DatabaseModule } from '../../src/platform/database/database.module.js';
import { MetricsService } from '../../src/platform/health/metrics.service.js';
import { ErrorFilter } from '../../src/platform/http/error.filter.js';
import type { HttpReply, HttpRequest } from '../../src/platform/http/http-request.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import { ConcurrencyLimiter } from '../../src/traffic/rate-limit/concurrency-limiter.js';
import { RateLimitModule } from '../../src/traffic/rate-limit/rate-limit.module.js';
import { ThrottleGuard } from '../../src/traffic/rate-limit/throttle.guard.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { RedisServer } from '../support/redis-server.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';
import { buildClient } from '../support/throttle-guard.js';

/** Believes what the test says about the caller: `client <id> <scope>` or `byot`. */
@Injectable()
class BelievingGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const [method, clientId = '', scope = ''] = String(request.headers['x-test-caller']).split(' ');
    const own = { value: new Secret('sk-own'), provider: null };
    const state: AuthState =
      method === 'byot' ? { kind: 'byot', method, providerToken: own } : buildClient({ clientId, scopes: [scope] });
    const certain = async () => ({ state, fence: null, confirm: certain, renew: certain });
    request.identity = { state, fence: null, confirm: certain, renew: certain };
    return true;
  }
}

@Controller()
class Routes {
  @Get('quick')
  @Require('llm:invoke')
  @AllowByot()
  quick() {
    return { ok: true };
  }

  @Get('query')
  @Require('llm:invoke')
  @RateClasses('general', 'query')
  query() {
    return { ok: true };
  }

  /** Streams and never ends. */
  @Get('endless')
  @Require('llm:invoke')
  @AllowByot()
  endless(@Res() reply: HttpReply) {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.raw.write('data: 1\n\n');
  }

  /** Never says a word. */
  @Get('silent')
  @Require('llm:invoke')
  @AllowByot()
  silent(@Res() reply: HttpReply) {
    reply.hijack();
  }
}

@Module({
  imports: [AccessModule, RateLimitModule],
  controllers: [Routes],
  providers: [
    BelievingGuard,
    { provide: APP_GUARD, useExisting: BelievingGuard },
    { provide: APP_GUARD, useExisting: AccessGuard },
    { provide: APP_GUARD, useExisting: ThrottleGuard },
  ],
})
class Rooms {}

interface Replica {
  readonly app: NestFastifyApplication;
  readonly port: number;
}

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function startReplica(overrides: Partial<Record<keyof Settings, string>>): Promise<Replica> {
  const settings = buildSettings({ DATABASE_URL: database.url, ...overrides });
  @Module({ imports: [ConfigModule.for(settings), DatabaseModule, Rooms] })
  class App {}
  const app = await NestFactory.create<NestFastifyApplication>(App, new FastifyAdapter(), { logger: false });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request) => {
    request.record = new RequestRecord(request.id, request.method, request.ip, 'none', Date.now());
  });
  app.useGlobalFilters(new ErrorFilter());
  await app.listen(0, '127.0.0.1');
  return { app, port: (app.getHttpServer().address() as AddressInfo).port };
}

const agent = new Agent({ keepAlive: true, maxSockets: 50 });

async function call({ port }: Replica, path: string, caller = 'client c1 llm:invoke'): Promise<IncomingMessage> {
  const sent = get({ port, host: '127.0.0.1', path, agent, headers: { 'x-test-caller': caller } });
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response;
}

function callMany(replicas: readonly Replica[], count: number, path: string): Promise<IncomingMessage[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => call(replicas[index % replicas.length] as Replica, path)),
  );
}

function answered(responses: readonly IncomingMessage[]): number {
  return responses.filter((response) => response.statusCode === 200).length;
}

afterAll(() => agent.destroy());

describe('ThrottleGuard over HTTP', () => {
  let redis: TestRedis;
  let replicas: Replica[];

  beforeAll(async () => {
    redis = await createTestRedis();
    const overrides = { REDIS_URL: redis.url, RATE_LIMITS: 'general=50/3600,query=20/3600' };
    replicas = await Promise.all([startReplica(overrides), startReplica(overrides)]);
  });
  afterEach(() => redis.client.flushdb());
  afterAll(async () => {
    await Promise.all(replicas.map(({ app }) => app.close()));
    await redis.drop();
  });

  it('lets 50 of 500 at once through over two replicas, and says so in every response', async () => {
    const responses = await callMany(replicas, 500, '/quick');
    expect(answered(responses)).toBe(50);
    for (const { headers } of responses) {
      expect(headers['x-ratelimit-limit']).toBe('50');
      expect(headers['ratelimit-policy']).toBe('"general";q=50;w=3600');
      expect(headers.ratelimit).toMatch(/^"general";r=\d+;t=\d+$/);
      expect(headers['x-ratelimit-remaining']).toBe(/r=(\d+)/.exec(String(headers.ratelimit))?.[1]);
      const t = Number(/t=(\d+)/.exec(String(headers.ratelimit))?.[1]);
      expect(Math.abs(Number(headers['x-ratelimit-reset']) - Date.now() / 1000 - t)).toBeLessThan(10);
      expect(headers).not.toHaveProperty('x-ratelimit-degraded');
    }
    const refused = responses.filter((response) => response.statusCode === 429);
    expect(refused).toHaveLength(450);
    for (const { headers } of refused) {
      expect(headers.ratelimit).toMatch(/^"general";r=0;t=7[12]$/);
      expect(headers['retry-after']).toBe(/t=(\d+)/.exec(String(headers.ratelimit))?.[1]);
    }
  });

  it('lets 20 of 500 at once through where two buckets are counted, and leaves 30 in the other', async () => {
    expect(answered(await callMany(replicas, 500, '/query'))).toBe(20);
    expect(answered(await callMany(replicas, 200, '/quick'))).toBe(30);
  });

  it('spends nothing on a request that another guard refuses, or that no route takes', async () => {
    const [replica] = replicas as [Replica];
    for (let index = 0; index < 60; index += 1) {
      expect((await call(replica, '/quick', 'client c1 logs:read')).statusCode).toBe(403);
      expect((await call(replica, '/nowhere')).statusCode).toBe(404);
    }
    expect(await redis.client.dbsize()).toBe(0);
    expect(answered(await callMany([replica], 60, '/quick'))).toBe(50);
  });
});

describe('ThrottleGuard when Redis dies', () => {
  it('goes on in this process and says so, in answers and refusals', async () => {
    const server = await RedisServer.start();
    const replica = await startReplica({ REDIS_URL: server.url, RATE_LIMITS: 'general=50/3600' });
    const before = await call(replica, '/quick');
    expect(before.headers).not.toHaveProperty('x-ratelimit-degraded');
    await server.kill();
    await eventually(() => !replica.app.get(RedisService, { strict: false }).usable);
    const responses = await callMany([replica], 200, '/quick');
    expect(answered(responses)).toBe(49);
    expect(responses.every(({ headers }) => headers['x-ratelimit-degraded'] === 'true')).toBe(true);
    const metrics = await replica.app.get(MetricsService, { strict: false }).text();
    for (const line of ['allowed_total 50', 'refused_total{class="general"} 151', 'degraded_total 200'])
      expect(metrics).toContain(`core_nest_rate_limit_${line}\n`);
    await replica.app.close();
    await server.stop();
  });
});

describe('ThrottleGuard and callers with only a provider token', () => {
  let replica: Replica;
  let limiter: ConcurrencyLimiter;

  beforeAll(async () => {
    replica = await startReplica({});
    limiter = replica.app.get(ConcurrencyLimiter);
  });
  afterAll(() => replica.app.close());

  async function open(count: number): Promise<() => void> {
    const sent = Array.from({ length: count }, () =>
      httpRequest({
        port: replica.port,
        host: '127.0.0.1',
        path: '/endless',
        agent: false,
        headers: { 'x-test-caller': 'byot' },
      }),
    );
    const responses = sent.map((one) => {
      one.on('error', () => undefined);
      one.end();
      return once(one, 'response') as Promise<[IncomingMessage]>;
    });
    for (const [response] of await Promise.all(responses)) {
      expect(response.statusCode).toBe(200);
      response.on('error', () => undefined);
    }
    return () => {
      for (const one of sent) one.destroy();
    };
  }

  it('are held to 20 streams at once, and may come again when they hang up', async () => {
    const hangUp = await open(20);
    const refused = await call(replica, '/quick', 'byot');
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.headers).not.toHaveProperty('ratelimit');
    expect(limiter.underWay).toBe(20);
    expect(limiter.stats.refused).toBe(1);
    expect((await call(replica, '/quick')).statusCode).toBe(200);
    hangUp();
    await eventually(() => limiter.underWay === 0);
    expect((await call(replica, '/quick', 'byot')).statusCode).toBe(200);
    await eventually(() => limiter.underWay === 0);
  });

  it('release each of 500 answered requests on kept-alive sockets', async () => {
    const small = new Agent({ keepAlive: true, maxSockets: 10 });
    const one = () =>
      new Promise<number | undefined>((resolve, reject) => {
        get(
          { port: replica.port, host: '127.0.0.1', path: '/quick', agent: small, headers: { 'x-test-caller': 'byot' } },
          (response) => response.resume().on('end', () => resolve(response.statusCode)),
        ).on('error', reject);
      });
    const statuses = await Promise.all(Array.from({ length: 500 }, one));
    expect(statuses.every((status) => status === 200)).toBe(true);
    await eventually(() => limiter.underWay === 0);
    small.destroy();
  });

  it('release what was pipelined behind a stream on a socket that breaks', async () => {
    const socket = connect(replica.port, '127.0.0.1');
    const lines = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\nX-Test-Caller: byot\r\n\r\n`;
    socket.write(lines('/endless').repeat(2) + lines('/quick').repeat(4) + lines('/silent').repeat(4));
    await eventually(() => limiter.underWay === 10);
    socket.destroy();
    await eventually(() => limiter.underWay === 0);
    expect(limiter.underWay).toBe(0);
  });
});
