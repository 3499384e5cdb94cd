import { EventEmitter } from 'node:events';
import { buildSettings } from '../../../test/support/build-settings.js';
import { FrozenClock } from '../../../test/support/frozen-clock.js';
import { buildOverride, buildPolicyStore, buildRegistry, NO_JOBS } from '../../../test/support/rate-limit-fakes.js';
import { BYOT, buildClient, buildRedis } from '../../../test/support/throttle-guard.js';
import { ConcurrencyLimitedError } from '../../kernel/app-error.js';
import type { AuthState } from '../../kernel/auth-state.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { LeasesService } from './leases.service.js';
import { LimiterService } from './limiter.service.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import type { RouteTable } from './route-table.service.js';
import { StreamLimiterService } from './stream-limiter.service.js';

const streams = (concurrent: number, mode: 'enforce' | 'shadow' = 'enforce') =>
  buildOverride({ rateClass: 'streams', windows: [], concurrent, mode });

function build(options: { cap?: string; redis?: ReturnType<typeof buildRedis>; route?: boolean } = {}) {
  const settings = buildSettings({
    RATE_LIMITS: 'general=10/100',
    MAX_CONCURRENT_STREAMS_PER_CLIENT: options.cap ?? '2',
  });
  const clock = new FrozenClock();
  const databaseClock = new DatabaseClock(clock);
  const { redis } = options.redis ?? buildRedis({ configured: false, usable: false });
  const registry = buildRegistry();
  const store = buildPolicyStore({ clients: { c1: [streams(1, 'shadow')] } });
  const policy = new RateLimitPolicy(settings, store, databaseClock);
  const limiter = new LimiterService(redis, clock, databaseClock, registry);
  const leases = new LeasesService(redis, registry, NO_JOBS);
  const route = options.route === false ? null : { method: 'POST', template: '/x', classes: ['general'] };
  const limits = new StreamLimiterService(policy, leases, limiter, { find: () => route } as unknown as RouteTable);
  const headers: Record<string, string> = {};
  const enter = (state: AuthState | null, response: { closed?: boolean } = {}) => {
    const raw = Object.assign(new EventEmitter(), { closed: false, destroyed: false, ...response });
    const reply = {
      raw,
      header: (name: string, value: string) => Object.assign(headers, { [name]: value }),
      getHeader: (name: string) => headers[name],
    };
    const request = { identity: state === null ? null : { state }, method: 'POST', routeOptions: {} };
    return { raw, done: limits.enter(request as unknown as HttpRequest, reply as unknown as HttpReply) };
  };
  return { limits, leases, limiter, policy, headers, enter };
}

const other = buildClient({ clientId: 'c2' });

describe('StreamLimiterService', () => {
  it('counts a stream until its response is closed', async () => {
    const { limits, leases, enter } = build();
    const first = enter(other);
    await first.done;
    await enter(other).done;
    await expect(enter(other).done).rejects.toThrow(
      expect.objectContaining({ status: 429, code: 'concurrency_limited', retryAfterSeconds: 1 }),
    );
    expect(limits).toMatchObject({ underWay: 2, stats: { refused: 1, wouldHaveRefused: 0 } });
    first.raw.emit('close');
    await enter(other).done;
    expect([limits.underWay, leases.held]).toEqual([2, 2]);
  });

  it('counts nothing of a caller that has left meanwhile', async () => {
    const { limits, leases, enter } = build();
    await enter(other, { closed: true }).done;
    expect([limits.underWay, leases.held]).toEqual([0, 0]);
  });

  it.each([
    ['nobody', null],
    ['a provider token alone', BYOT],
  ])('does not count %s', async (_who, state) => {
    const { leases, enter } = build();
    for (let index = 0; index < 5; index += 1) await enter(state).done;
    expect(leases.held).toBe(0);
  });

  it('counts nothing where streams are not limited', async () => {
    const { leases, enter } = build({ cap: '0' });
    for (let index = 0; index < 5; index += 1) await enter(other).done;
    expect(leases.held).toBe(0);
  });

  it('lets everybody through in shadow, and counts who would have been refused', async () => {
    const { limits, enter } = build();
    for (let index = 0; index < 5; index += 1) await enter(buildClient()).done;
    expect(limits).toMatchObject({ underWay: 5, stats: { refused: 0, wouldHaveRefused: 4 } });
  });

  it('gives back what a refused stream took from its buckets, and says where they stand', async () => {
    const { limiter, policy, headers, enter } = build();
    const buckets = policy.bucketsFor(['general'], 'paid', 'c2');
    if (buckets === null) throw new Error('general is limited');
    for (let index = 0; index < 3; index += 1) limiter.takeLocally('c2', buckets);
    await enter(other).done;
    await enter(other).done;
    await expect(enter(other).done).rejects.toThrow(ConcurrencyLimitedError);
    expect(headers).toMatchObject({ 'x-ratelimit-remaining': '8' });
    expect(headers).not.toHaveProperty('x-ratelimit-degraded');
  });

  it('refuses all the same on a route that counts nothing', async () => {
    const { headers, enter } = build({ cap: '1', route: false });
    await enter(other).done;
    await expect(enter(other).done).rejects.toThrow(ConcurrencyLimitedError);
    expect(headers).toEqual({});
  });

  it('says that it is degraded while Redis is away', async () => {
    const { headers, enter } = build({ cap: '1', redis: buildRedis({ usable: false }) });
    await enter(other).done;
    await expect(enter(other).done).rejects.toThrow(ConcurrencyLimitedError);
    expect(headers).toMatchObject({ 'x-ratelimit-degraded': 'true' });
  });
});
