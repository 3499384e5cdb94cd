import { Redis } from 'ioredis';
import { RedisServer } from './redis-server.js';
import { redisShape } from './redis-shape.js';

/** A Redis of its own. On the run's single server publish/subscribe channels and scripts are shared with other tests. */
export interface TestRedis {
  readonly url: string;
  /** A connection for looking and meddling, past the code under test. */
  readonly client: Redis;
  /** Empties it and lets the connection go. */
  drop(): Promise<void>;
}

/**
 * Takes a database number that no other test of this run has, or starts servers where the project of jest asks for
 * another shape; `drop()` it in `afterAll`.
 */
export async function createTestRedis(): Promise<TestRedis> {
  if (redisShape() !== 'single') return createOwnServers();
  const server = process.env.TEST_REDIS_URL;
  if (!server) throw new Error('TEST_REDIS_URL is missing: this test belongs in test/integration, e2e or security.');
  const counter = new Redis(server);
  const number = await counter.incr('test:databases');
  await counter.quit();
  const url = `${server}/${number}`;
  const client = new Redis(url);
  return {
    url,
    client,
    drop: async () => {
      await client.flushdb();
      await client.quit();
    },
  };
}

async function createOwnServers(): Promise<TestRedis> {
  const server = await RedisServer.start();
  const client = server.connect();
  return {
    url: server.url,
    client,
    drop: async () => {
      client.disconnect();
      await server.stop();
    },
  };
}
