import { EventEmitter } from 'node:events';
import type { ExecutionContext } from '@nestjs/common';
import type { AuthState, ClientAuth, CredentialFence, RequestIdentity } from '../../src/kernel/auth-state.js';
import { AllowByot, Public, RateClasses, Require } from '../../src/kernel/handler-marks.js';
import { Secret } from '../../src/kernel/secret.js';
import type { RedisService } from '../../src/platform/redis/redis.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { ConcurrencyLimiter } from '../../src/traffic/rate-limit/concurrency-limiter.js';
import { LeasesService } from '../../src/traffic/rate-limit/leases.service.js';
import type { LimitPolicy } from '../../src/traffic/rate-limit/limit-policy.js';
import { LimiterService } from '../../src/traffic/rate-limit/limiter.service.js';
import { RateLimitPolicy } from '../../src/traffic/rate-limit/rate-limit.policy.js';
import { ThrottleGuard } from '../../src/traffic/rate-limit/throttle.guard.js';
import { buildAccess } from './access.js';
import { UNRESTRICTED } from './attempts.js';
import { buildSettings } from './build-settings.js';
import { FrozenClock } from './frozen-clock.js';
import { buildPolicyStore, buildRegistry, NO_JOBS } from './rate-limit-fakes.js';

class Routes {
  @Require('llm:invoke')
  @AllowByot()
  chat() {}
  @Require('llm:invoke')
  @RateClasses('general', 'query')
  query() {}
  @Require('authenticated')
  @RateClasses()
  uncounted() {}
  @Public()
  open() {}
}

/** Where the guard's clock starts, in milliseconds. */
const T0 = 1_700_000_000_000;
export const FENCE: CredentialFence = { key: 'cn:{c1}:credential', stamp: 'v1', ttlMs: 300_000 };
export const BYOT: AuthState = {
  kind: 'byot',
  method: 'byot',
  providerToken: { value: new Secret('sk-own'), provider: null },
};

export function buildClient(overrides: Partial<ClientAuth> = {}): ClientAuth {
  return {
    kind: 'client',
    method: 'client',
    owner: null,
    tokenId: null,
    clientId: 'c1',
    tier: 'paid',
    scopes: ['llm:invoke'],
    ...UNRESTRICTED,
    providerToken: null,
    ...overrides,
  };
}

/** A certain identity that nobody is expected to confirm or renew. */
export function buildIdentity(state: AuthState, overrides: Partial<RequestIdentity> = {}): RequestIdentity {
  const unasked = () => Promise.reject(new Error('not to be asked'));
  return { state, fence: null, confirm: unasked, renew: unasked, ...overrides };
}

/** What Redis answers: the debts of a bucket after one unit of 1000 an hour. */
const ONE_TAKEN = [1, 3_600_000, 0];

/** Stands in for Redis, answering what a test wants to see handled. */
export function buildRedis(overrides: Partial<Record<'configured' | 'usable' | 'run' | 'runFenced', unknown>> = {}) {
  const calls: string[] = [];
  const answer = (name: string, value: unknown) => async () => {
    calls.push(name);
    if (value instanceof Error) throw value;
    return value;
  };
  const redis = {
    configured: overrides.configured ?? true,
    usable: overrides.usable ?? true,
    state: (overrides.usable ?? true) ? 'up' : 'down',
    onRecovered: () => undefined,
    defineScript: (script: unknown) => script,
    run: answer('run', 'run' in overrides ? overrides.run : ONE_TAKEN),
    runFenced: answer('runFenced', overrides.runFenced ?? { held: true, result: ONE_TAKEN }),
  };
  return { redis: redis as unknown as RedisService, calls };
}

/** A guard on real limiters and a clock that stands still; `send` is one request on its way into it. */
export function buildGuard(
  options: {
    rateLimits?: string;
    redis?: ReturnType<typeof buildRedis>;
    /** Replicas that live. */
    live?: number;
    policies?: readonly LimitPolicy[];
    overrides?: Readonly<Record<string, readonly LimitPolicy[]>>;
  } = {},
) {
  const settings = buildSettings({ RATE_LIMITS: options.rateLimits ?? '' });
  const clock = new FrozenClock(T0);
  const databaseClock = new DatabaseClock(clock);
  const { redis, calls } = options.redis ?? buildRedis({ configured: false, usable: false });
  const registry = buildRegistry(options.live);
  const limiter = new LimiterService(redis, clock, databaseClock, registry);
  const leases = new LeasesService(redis, registry, NO_JOBS);
  const concurrency = new ConcurrencyLimiter(settings, leases);
  const store = buildPolicyStore({ policies: options.policies, clients: options.overrides });
  const policy = new RateLimitPolicy(settings, store, databaseClock);
  const guard = new ThrottleGuard(buildAccess(), policy, limiter, concurrency, settings);
  const send = (handler: keyof Routes, identity: RequestIdentity | null, bodyBytes = 0) => {
    const headers: Record<string, string> = {};
    const incoming = { headers: bodyBytes > 0 ? { 'content-length': String(bodyBytes) } : {} };
    const request = { identity, record: { address: '192.0.2.1' }, url: '/v1/chat/completions', raw: incoming };
    const raw = Object.assign(new EventEmitter(), { closed: false, destroyed: false });
    const reply = { raw, header: (name: string, value: string) => Object.assign(headers, { [name]: value }) };
    const context = {
      getHandler: () => Routes.prototype[handler],
      getClass: () => Routes,
      getArgByIndex: (index: number) => (index === 0 ? request : reply),
    } as unknown as ExecutionContext;
    return { headers, request, raw, pass: () => guard.canActivate(context) };
  };
  return { clock, databaseClock, limiter, leases, concurrency, calls, send };
}
