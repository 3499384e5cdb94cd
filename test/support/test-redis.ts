import { Redis } from 'ioredis';

/** A Redis database of its own on the run's server. Publish/subscribe channels and scripts are shared with other tests. */
export interface TestRedis {
  readonly url: string;
  /** A connection for looking and meddling, past the code under test. */
  readonly client: Redis;
  /** Empties the database and lets the connection go. */
  drop(): Promise<void>;
}

/** Takes a database number that no other test of this run has; `drop()` it in `afterAll`. */
export async function createTestRedis(): Promise<TestRedis> {
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
