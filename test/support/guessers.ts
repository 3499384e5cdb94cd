import { SecretHasher } from '../../src/identity/hashing/secret-hasher.service.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import { startApp, type TestApp } from './app.js';
import { eventually } from './eventually.js';
import { wrongKeyOf } from './insert-client.js';

type Environment = Partial<Record<keyof Settings, string>>;

export const UNKNOWN_ID = 'cn_live_zzzzzzzzzzzz';
let lastOctet = 0;
let lastId = 0;

/** A client id that nobody has. */
export const freshId = () => {
  lastId += 1;
  return `cn_live_${String(lastId).padStart(12, '0')}`;
};

/** An address nobody has had in this file. */
export const freshAddress = () => {
  lastOctet += 1;
  return `203.0.${113 + Math.floor(lastOctet / 250)}.${lastOctet % 250}`;
};

export interface GuessedApps {
  readonly apps: readonly TestApp[];
  /** Secrets that were hashed and compared since it was last asked, dummies included. */
  hashes(): number;
  stop(): Promise<void>;
}

/** Three replicas that believe a proxy on this machine. */
export async function startGuessed(settings: Environment, redis?: null): Promise<GuessedApps> {
  const first = await startApp({
    settings: { TRUSTED_PROXIES: '127.0.0.1', ...settings },
    ...(redis === null && { redis }),
  });
  const apps = [first, await first.replica(), await first.replica()];
  const states = apps.map(({ app }) => app.get(RedisService, { strict: false }));
  await eventually(() => states.every(({ state }) => state === 'up' || state === 'off'), 20_000);
  let hashed = 0;
  for (const { app } of apps) {
    const hasher = app.get(SecretHasher, { strict: false });
    const matches = hasher.matches.bind(hasher);
    hasher.matches = (...given) => {
      hashed += 1;
      return matches(...given);
    };
  }
  return {
    apps,
    hashes: () => {
      const count = hashed;
      hashed = 0;
      return count;
    },
    stop: async () => {
      for (const app of [...apps].reverse()) await app.stop();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: string | null;
  readonly text: string;
}

export async function present(app: TestApp, key: string, address: string, path = '/api/v1/whoami'): Promise<Answer> {
  const response = await fetch(`${app.url}${path}`, { headers: { 'x-api-key': key, 'x-forwarded-for': address } });
  const text = await response.text();
  return {
    status: response.status,
    code: JSON.parse(text).code,
    retryAfter: response.headers.get('retry-after'),
    text: text.replaceAll(/req_[0-9a-f]{24}/g, 'req'),
  };
}

/** So many wrong secrets at once, over all replicas; how many had which status. */
export async function guess(
  fleet: GuessedApps,
  count: number,
  clientId: (index: number) => string,
  address: (index: number) => string,
) {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      present(fleet.apps[index % fleet.apps.length] as TestApp, wrongKeyOf(clientId(index)), address(index)),
    ),
  );
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return { answers, counts };
}
