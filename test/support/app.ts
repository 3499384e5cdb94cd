import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp } from '../../src/app.setup.js';
import type { RequestRecord } from '../../src/kernel/request-record.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { RequestObservers } from '../../src/platform/http/request-observer.js';
import { buildSettings } from './build-settings.js';
import { type InsertedClient, insertClient } from './insert-client.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { createTestRedis, type TestRedis } from './test-redis.js';

type Environment = Partial<Record<keyof Settings, string>>;

interface AppOptions {
  /** Environment variables over the defaults. */
  readonly settings?: Environment;
  /** Without one it gets a Redis database of its own; null: no `REDIS_URL`. */
  readonly redis?: TestRedis | null;
  /** Without one it gets a migrated database of its own. */
  readonly database?: TestDatabase;
}

/** The whole application in this process, listening on a free port of 127.0.0.1. */
export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly url: string;
  readonly port: number;
  readonly database: TestDatabase;
  readonly redis: TestRedis | null;
  /** The records of requests whose response has closed, oldest first. */
  readonly records: RequestRecord[];
  /** A client put straight into the database. */
  createClient(overrides?: Parameters<typeof insertClient>[1]): Promise<InsertedClient>;
  /** Another replica on the same PostgreSQL and Redis; stop it first. */
  replica(settings?: Environment): Promise<TestApp>;
  /** Stops the application and drops what was made for it. */
  stop(): Promise<void>;
}

/** Limits that no test meets by accident. */
const UNLIMITED = 'general.free=1000000/3600,general.paid=1000000/3600,query=1000000/60,key_creation=1000000/60';

/** Where the providers are unless a test says otherwise: nowhere, and nothing outside this machine. */
export const NO_PROVIDERS: Environment = {
  OPENAI_BASE_URL: 'http://127.0.0.1:1/v1',
  ANTHROPIC_BASE_URL: 'http://127.0.0.1:1',
  GEMINI_BASE_URL: 'http://127.0.0.1:1',
};

/** Starts the real application on a fresh migrated database. What it was given it leaves in place when it stops. */
export async function startApp(options: AppOptions = {}): Promise<TestApp> {
  const database = options.database ?? (await createTestDatabase());
  const redis = options.redis === undefined ? await createTestRedis() : options.redis;
  const settings = buildSettings({
    DATABASE_URL: database.url,
    REDIS_URL: redis?.url ?? '',
    RATE_LIMITS: UNLIMITED,
    ...NO_PROVIDERS,
    ...options.settings,
  });
  const app = await createApp(settings);
  const records: RequestRecord[] = [];
  app.get(RequestObservers, { strict: false }).add({ onRecordClosed: (record) => records.push(record) });
  await app.listen(0, '127.0.0.1').catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    app,
    url: `http://127.0.0.1:${port}`,
    port,
    database,
    redis,
    records,
    createClient: (overrides) => insertClient(database, overrides),
    replica: (overrides) => startApp({ database, redis, settings: { ...options.settings, ...overrides } }),
    stop: async () => {
      app.getHttpServer().closeAllConnections();
      await app.close();
      if (options.redis === undefined) await redis?.drop();
      if (options.database === undefined) await database.drop();
    },
  };
}
