import { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { startApp, type TestApp } from './app.js';
import type { InsertedClient } from './insert-client.js';
import { TcpProxy } from './tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { createTestRedis, type TestRedis } from './test-redis.js';

/** A replica whose ways to PostgreSQL and Redis can be cut. */
export interface FleetMember extends TestApp {
  readonly toPostgres: TcpProxy;
  readonly toRedis: TcpProxy;
  /** Its name among the replicas. */
  readonly replicaId: string;
}

/** Three replicas over one PostgreSQL and one Redis, each with ways of its own to both. */
export interface Fleet {
  readonly database: TestDatabase;
  readonly redis: TestRedis;
  readonly members: readonly [FleetMember, FleetMember, FleetMember];
  readonly admin: InsertedClient;
  stop(): Promise<void>;
}

/** Starts the three. Give it a Redis and that one is left in place when they stop. */
export async function startFleet(
  options: { readonly redis?: TestRedis; readonly settings?: Parameters<TestApp['replica']>[0] } = {},
): Promise<Fleet> {
  const database = await createTestDatabase();
  const redis = options.redis ?? (await createTestRedis());
  const member = async (): Promise<FleetMember> => {
    const [toPostgres, toRedis] = await Promise.all([TcpProxy.start(database.url), TcpProxy.start(redis.url)]);
    const app = await startApp({
      database,
      redis,
      settings: {
        DATABASE_URL: toPostgres.through(database.url),
        REDIS_URL: toRedis.through(redis.url),
        ...options.settings,
      },
    });
    return { ...app, toPostgres, toRedis, replicaId: app.app.get(ReplicaRegistry, { strict: false }).id };
  };
  const members = [await member(), await member(), await member()] as const;
  const admin = await members[0].createClient({ scopes: ['admin'] });
  return {
    database,
    redis,
    members,
    admin,
    stop: async () => {
      await Promise.all(members.flatMap(({ toPostgres, toRedis }) => [toPostgres.heal(), toRedis.heal()]));
      await Promise.all(members.map((app) => app.stop()));
      await Promise.all(members.flatMap(({ toPostgres, toRedis }) => [toPostgres.stop(), toRedis.stop()]));
      await database.drop();
      if (options.redis === undefined) await redis.drop();
    },
  };
}

/** What a replica answers to a key: the status. */
export async function statusOf(url: string, apiKey: string, path = '/api/v1/whoami'): Promise<number> {
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${apiKey}` } });
  await response.arrayBuffer();
  return response.status;
}

/** Asks to revoke a client; the status, the body if there is one, and how long it took (milliseconds). */
export async function revokeOver(url: string, admin: InsertedClient, clientId: string) {
  const started = performance.now();
  const response = await fetch(`${url}/api/v1/clients/${clientId}`, {
    method: 'DELETE',
    headers: { 'x-api-key': admin.apiKey },
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? null : (JSON.parse(text) as Record<string, unknown>),
    tookMs: performance.now() - started,
  };
}
