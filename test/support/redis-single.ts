import { Redis } from 'ioredis';
import { RedisProcess } from './redis-process.js';
import type { RedisDeployment } from './redis-shape.js';

/** One redis-server. */
export async function startSingle(): Promise<RedisDeployment> {
  const server = await RedisProcess.start();
  return {
    url: `redis://${server.address}`,
    addresses: [server.address],
    connect: () => new Redis(server.port, '127.0.0.1', { retryStrategy: () => 50 }).on('error', () => undefined),
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: () => server.restart(),
    stop: () => server.stop(),
  };
}
