import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'ioredis';
import { parseRedisTarget, type RedisAddress, type RedisTarget } from '../config/redis-target.js';
import type { Settings } from '../config/settings.js';

const CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_MAX_MS = 1_000;
/** How long a broken connection may take to close politely. */
const DISCONNECT_TIMEOUT_MS = 100;

/** Where the settings say Redis is; null: nowhere. */
export function redisTargetOf(settings: Settings): RedisTarget | null {
  const { REDIS_URL, REDIS_MODE, REDIS_SENTINEL_MASTER } = settings;
  return REDIS_URL === undefined ? null : parseRedisTarget(REDIS_URL, REDIS_MODE, REDIS_SENTINEL_MASTER);
}

/** How any server that holds keys is spoken to. */
export function serverOptions(settings: Settings, target: RedisTarget): RedisOptions {
  const username = target.username ?? settings.REDIS_USERNAME;
  const password = target.password ?? settings.REDIS_PASSWORD;
  return {
    ...commonOptions(settings, target),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    db: target.database,
  };
}

/** How the Sentinels themselves are spoken to: they have accounts of their own, and no databases. */
export function sentinelOptions(settings: Settings, target: RedisTarget): RedisOptions {
  const { REDIS_SENTINEL_USERNAME: username, REDIS_SENTINEL_PASSWORD: password } = settings;
  return {
    ...commonOptions(settings, target),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    enableReadyCheck: false,
  };
}

export function nameOf({ host, port }: RedisAddress): string {
  return `${host}:${port}`;
}

function commonOptions(settings: Settings, { tls }: RedisTarget): RedisOptions {
  const file = settings.REDIS_TLS_CA_FILE;
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), RECONNECT_MAX_MS) * (0.5 + Math.random() / 2),
    connectionName: 'core-nest',
    ...(tls ? { tls: file === undefined ? {} : { ca: readFileSync(file) } } : {}),
  };
}
