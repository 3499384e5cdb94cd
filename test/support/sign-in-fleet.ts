import { SecretHasher } from '../../src/identity/hashing/secret-hasher.service.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { startApp, type TestApp } from './app.js';
import type { TestRedis } from './test-redis.js';

type Environment = Partial<Record<keyof Settings, string>>;

/** The class `login` is not what these tests are about. */
const MANY_SIGN_INS: Environment = {
  TRUSTED_PROXIES: '127.0.0.1',
  RATE_LIMITS: 'login=1000000/60,general.paid=1000000/3600',
};

let last = 0;

/** The headers of an address nobody has had in this file. */
export function fromElsewhere(): { 'x-forwarded-for': string } {
  last += 1;
  return {
    'x-forwarded-for': `198.${18 + Math.floor(last / 62_500)}.${Math.floor(last / 250) % 250}.${(last % 250) + 1}`,
  };
}

export interface SignInFleet {
  readonly apps: readonly [TestApp, ...TestApp[]];
  /** A replica, in turns. */
  at(index: number): TestApp;
  /** Passwords that were hashed and compared since it was last asked, those of nobody included. */
  hashes(): number;
  stop(): Promise<void>;
}

/** Replicas that believe a proxy on this machine, and that count what they hash. */
export async function startSignInFleet(
  replicas: number,
  settings: Environment = {},
  redis?: TestRedis | null,
): Promise<SignInFleet> {
  const first = await startApp({ settings: { ...MANY_SIGN_INS, ...settings }, ...(redis !== undefined && { redis }) });
  const apps: [TestApp, ...TestApp[]] = [first];
  while (apps.length < replicas) apps.push(await first.replica());
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
    at: (index) => apps[index % apps.length] ?? first,
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

/** Time goes by for the counters of sign-in: all that happened is so much longer ago. */
export async function later({ database }: TestApp, seconds: number): Promise<void> {
  await database.query(
    `UPDATE sign_in_attempts SET at = at - make_interval(secs => $1), decided_at = decided_at - make_interval(secs => $1)`,
    [seconds],
  );
}
