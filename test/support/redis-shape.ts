import type { Redis } from 'ioredis';

/** What a test means by Redis: a project of jest says which (`globals` in jest.config.mjs), else a single server. */
export type RedisShape = 'single' | 'sentinel' | 'cluster';

declare global {
  var shapeOfRedis: RedisShape | undefined;
}

export function redisShape(): RedisShape {
  return globalThis.shapeOfRedis ?? 'single';
}

/** Real servers that are one Redis to the application, and end with this process. */
export interface RedisDeployment {
  /** As `REDIS_URL` takes it. */
  readonly url: string;
  /** `host:port` of everything in it that a client may connect to. */
  readonly addresses: readonly string[];
  /** A connection for looking and meddling, past the code under test; to a Cluster as a whole where it is one. */
  connect(): Redis;
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Brings back what was killed, empty, where it was. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const behind = new Map<string, readonly string[]>();

/** Says what a proxy in front of this URL has to stand in for. */
export function knowAddresses(url: string, addresses: readonly string[]): void {
  behind.set(url, addresses);
}

/** `host:port` of everything behind a URL of Redis, PostgreSQL or HTTP. */
export function addressesBehind(url: string): readonly string[] {
  const known = behind.get(url);
  if (known !== undefined) return known;
  const { hostname, port } = new URL(url);
  return [`${hostname}:${port}`];
}
