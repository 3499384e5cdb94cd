import { FrozenClock } from '../../../test/support/frozen-clock.js';
import { buildRegistry } from '../../../test/support/rate-limit-fakes.js';
import { buildRedis } from '../../../test/support/throttle-guard.js';
import { RedisUnavailableError } from '../../platform/redis/redis.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { BucketPolicy } from './bucket-policy.js';
import { BucketSet } from './bucket-set.js';
import { LimiterService } from './limiter.service.js';

const general = new BucketPolicy('general', { quota: 10, windowSeconds: 100 });
const shadow = new BucketPolicy('query', { quota: 5, windowSeconds: 100 }, { shadow: true });

function build(redis = buildRedis({ configured: false, usable: false }), live = 1) {
  const clock = new FrozenClock();
  const limiter = new LimiterService(redis.redis, clock, new DatabaseClock(clock), buildRegistry(live));
  return { limiter, clock, redis: redis.redis };
}

describe('LimiterService', () => {
  it('gives back in this process what was taken here, but from nothing in shadow', async () => {
    const { limiter } = build();
    const set = new BucketSet([general, shadow]);
    for (let index = 0; index < 4; index += 1) limiter.takeLocally('c1', set);
    expect(await limiter.giveBack('c1', set)).toMatchObject({ tightest: { class: 'general', remaining: 7 } });
    const after = await limiter.foresee('c1', set, 1);
    expect(after.buckets.map(({ remaining }) => remaining)).toEqual([7, 1]);
    expect(await limiter.giveBack('c2', set)).toMatchObject({ tightest: { remaining: 10 } });
  });

  it('has nothing to give back where all is in shadow', async () => {
    const { limiter } = build();
    expect(await limiter.giveBack('c1', new BucketSet([shadow]))).toBeNull();
  });

  it('gives nothing back that Redis cannot be told of', async () => {
    const { limiter } = build(buildRedis({ run: new RedisUnavailableError() }));
    expect(await limiter.giveBack('c1', new BucketSet([general]))).toBeNull();
    expect(limiter.stats.redisFailures).toBe(1);
  });

  it('looks ahead at its share while Redis is away, and counts nothing', async () => {
    const { limiter } = build(buildRedis({ usable: false }), 2);
    const set = new BucketSet([general]);
    limiter.takeLocally('c1', set);
    const { stats } = limiter;
    const before = { ...stats };
    expect(await limiter.foresee('c1', set, 4)).toMatchObject({
      allowed: true,
      degraded: true,
      tightest: { quota: 5, remaining: 4 },
    });
    expect(await limiter.foresee('c1', set, 5)).toMatchObject({ allowed: false });
    expect(stats).toEqual(before);
    expect(limiter.degraded).toBe(true);
  });

  it('looks at this process where Redis gives no answer', async () => {
    const { limiter } = build(buildRedis({ run: new RedisUnavailableError() }));
    expect(await limiter.foresee('c1', new BucketSet([general]), 1)).toMatchObject({ allowed: true, degraded: true });
    expect(limiter.stats.redisFailures).toBe(1);
  });

  it('follows the number of replicas that live', () => {
    const away = buildRedis({ usable: false });
    const registry = buildRegistry(1) as { live: number };
    const clock = new FrozenClock();
    const limiter = new LimiterService(away.redis, clock, new DatabaseClock(clock), registry as never);
    const set = new BucketSet([general]);
    const quotas = [1, 2, 2, 5, 1].map((live) => {
      registry.live = live;
      return limiter.takeLocally('c1', set).tightest.quota;
    });
    expect(quotas).toEqual([10, 5, 5, 2, 10]);
  });

  it('has no script for more buckets than there can be', async () => {
    const many = Array.from(
      { length: 13 },
      (_, index) => new BucketPolicy('general', { quota: 5, windowSeconds: index + 1 }, { further: true }),
    );
    const { limiter, redis } = build(buildRedis());
    expect(await limiter.take('c1', new BucketSet(many))).toMatchObject({ degraded: true });
    expect(redis.usable).toBe(true);
  });
});
