import type { EmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { startPostgres } from './postgres-server.js';
import { RedisServer } from './redis-server.js';

declare global {
  var testServers: { postgres: EmbeddedPostgres; redis: RedisServer } | undefined;
}

/** Starts what the tests of one jest run share. Both servers end with this process, Ctrl-C and SIGKILL included. */
export default async function globalSetup(): Promise<void> {
  const [postgres, redis] = await Promise.all([startPostgres(), RedisServer.start()]);
  globalThis.testServers = { postgres, redis };
  process.env.TEST_POSTGRES_URL = postgres.url;
  process.env.TEST_REDIS_URL = redis.url;
}
