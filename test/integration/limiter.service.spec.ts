import type { Redis } from 'ioredis';
import type { RateClass } from '../../src/kernel/handler-marks.js';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import { BucketPolicy } from '../../src/traffic/rate-limit/bucket-policy.js';
import { BucketSet } from '../../src/traffic/rate-limit/bucket-set.js';
import type { Decision } from '../../src/traffic/rate-limit/limit-decision.js';
import type { LimiterService } from '../../src/traffic/rate-limit/limiter.service.js';
import { eventually } from '../support/eventually.js';
import { startLimiterReplica } from '../support/limiter-replica.js';
import { RedisServer } from '../support/redis-server.js';
import { redisShape } from '../support/redis-shape.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

function buildSet(...limits: [RateClass, number, number][]): BucketSet {
  return new BucketSet(
    limits.map(([rateClass, quota, windowSeconds]) => new BucketPolicy(rateClass, { quota, windowSeconds })),
  );
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function passed(decisions: readonly Decision[]): number {
  return decisions.filter((decision) => decision.allowed).length;
}

describe('LimiterService on a Redis of its own', () => {
  let redis: TestRedis;
  let replicas: Awaited<ReturnType<typeof startLimiterReplica>>[];
  const [first, second] = [0, 1].map((index) => () => (replicas[index] as (typeof replicas)[0]).limiter) as [
    () => LimiterService,
    () => LimiterService,
  ];

  beforeAll(async () => {
    redis = await createTestRedis();
    replicas = await Promise.all([startLimiterReplica(redis.url), startLimiterReplica(redis.url)]);
  });
  afterEach(() => redis.client.flushdb());
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.redis.onApplicationShutdown()));
    await redis.drop();
  });

  it('lets exactly 50 of 500 at once through at a limit of 50', async () => {
    const set = buildSet(['general', 50, 3600]);
    const decisions = await Promise.all(times(500, () => first().take('c1', set)));
    expect(passed(decisions)).toBe(50);
    expect(decisions.some((decision) => decision.degraded)).toBe(false);
    expect(new Set(decisions.filter((one) => one.allowed).map((one) => one.tightest.remaining)).size).toBe(50);
  });

  it('lets exactly 50 of 500 at once through over two replicas', async () => {
    const set = buildSet(['general', 50, 3600]);
    const decisions = await Promise.all(times(500, (index) => (index % 2 ? first() : second()).take('c1', set)));
    expect(passed(decisions)).toBe(50);
  });

  it('takes from two buckets or from neither, 500 at once over two replicas', async () => {
    const both = buildSet(['general', 200, 3600], ['query', 30, 3600]);
    const general = buildSet(['general', 200, 3600]);
    const decisions = await Promise.all(
      times(500, (index) => (index % 2 ? first() : second()).take('c1', index < 250 ? both : general)),
    );
    const queries = passed(decisions.slice(0, 250));
    const others = passed(decisions.slice(250));
    expect(queries).toBeLessThanOrEqual(30);
    expect(queries + others).toBe(200);
    const rest = await Promise.all(times(60, () => first().take('c1', both)));
    expect(passed(rest)).toBe(0);
  });

  it('writes nothing at all when it refuses', async () => {
    const both = buildSet(['general', 10, 3600], ['query', 1, 3600]);
    await first().take('c1', both);
    const keys = [redisKey.bucket('c1', 'general'), redisKey.bucket('c1', 'query')];
    const before = await redis.client.mget(keys);
    const decisions = await Promise.all(times(100, () => first().take('c1', both)));
    expect(passed(decisions)).toBe(0);
    expect(await redis.client.mget(keys)).toEqual(before);
  });

  it('keeps one number per bucket, that is gone when the bucket is full again', async () => {
    const set = buildSet(['general', 1000, 3600], ['query', 7, 60]);
    await first().take('c1', set);
    expect((await redis.client.keys('*')).sort()).toEqual(['cn:{c1}:bucket:general', 'cn:{c1}:bucket:query']);
    expect(await redis.client.get(redisKey.bucket('c1', 'general'))).toMatch(/^\d{16}$/);
    expect(await redis.client.get(redisKey.bucket('c1', 'query'))).toMatch(/^\d{16}\+[1-6]$/);
    const life = await redis.client.pttl(redisKey.bucket('c1', 'general'));
    expect(life).toBeGreaterThan(3_000);
    expect(life).toBeLessThanOrEqual(3_601);
  });

  it('gives a unit back when it said it would, on Redis’s own clock', async () => {
    const set = buildSet(['general', 20, 1]);
    await Promise.all(times(20, () => first().take('c1', set)));
    const refusedAt = performance.now();
    const decisions: Decision[] = [];
    await eventually(async () => {
      decisions.push(await first().take('c1', set));
      return decisions.at(-1)?.allowed === true;
    }, 2_000);
    expect(performance.now() - refusedAt).toBeLessThan(1_000);
  });

  it.each([
    ['text', (key: string) => redis.client.set(key, 'garbage')],
    ['nothing', (key: string) => redis.client.set(key, '')],
    ['a fraction', (key: string) => redis.client.set(key, '1e999')],
    ['not a number', (key: string) => redis.client.set(key, 'nan')],
    ['hexadecimal', (key: string) => redis.client.set(key, '0xfffffffffffffff')],
    ['a number and more', (key: string) => redis.client.set(key, '9999999999999999x')],
    ['a negative number', (key: string) => redis.client.set(key, '-1')],
    ['a megabyte', (key: string) => redis.client.set(key, '9'.repeat(1_000_000))],
    ['a NUL', (key: string) => redis.client.set(key, '1\u0000')],
    ['a list', (key: string) => redis.client.rpush(key, '1')],
    ['a hash', (key: string) => redis.client.hset(key, 'a', '1')],
    ['a stream', (key: string) => redis.client.xadd(key, '*', 'a', '1')],
  ])('takes a bucket that holds %s for a full one, and limits from there', async (_what, spoil) => {
    const set = buildSet(['general', 3, 3600]);
    await spoil(redisKey.bucket('c1', 'general'));
    const decisions = await Promise.all(times(10, () => first().take('c1', set)));
    expect(passed(decisions)).toBe(3);
    expect(decisions.some((decision) => decision.degraded)).toBe(false);
  });

  it('takes a time years ahead for an empty bucket, and sets it right at once', async () => {
    const set = buildSet(['general', 10, 60]);
    const key = redisKey.bucket('c1', 'general');
    await redis.client.set(key, '9999999999999999');
    const refused = await first().take('c1', set);
    expect(refused).toMatchObject({ allowed: false, tightest: { remaining: 0, resetSeconds: 6 } });
    const [seconds] = await redis.client.time();
    expect(Number(await redis.client.get(key)) / 1e6).toBeLessThanOrEqual(Number(seconds) + 61);
    expect(await redis.client.pttl(key)).toBeLessThanOrEqual(60_000);
  });

  it('starts with full buckets after a flush: one quota more, once', async () => {
    const set = buildSet(['general', 50, 3600]);
    expect(passed(await Promise.all(times(100, () => first().take('c1', set))))).toBe(50);
    await redis.client.flushdb();
    const decisions = await Promise.all(times(100, () => first().take('c1', set)));
    expect(passed(decisions)).toBe(50);
    expect(decisions.some((decision) => decision.degraded)).toBe(false);
  });

  it('goes on when the scripts were flushed', async () => {
    const set = buildSet(['general', 50, 3600]);
    await first().take('c1', set);
    await redis.client.script('FLUSH');
    expect(await first().take('c1', set)).toMatchObject({ degraded: false, tightest: { remaining: 48 } });
  });

  describe('behind a fence', () => {
    const fence = { key: redisKey.credential('c1'), stamp: 'v7|', ttlMs: 300_000 };
    const set = buildSet(['general', 50, 3600], ['query', 40, 3600]);

    it('takes from every bucket and slides the credential’s expiry in the same call', async () => {
      await redis.client.set(fence.key, 'v7|rest', 'PX', 1_000);
      expect(await first().takeFenced(fence, 'c1', set)).toMatchObject({
        allowed: true,
        buckets: [{ remaining: 49 }, { remaining: 39 }],
      });
      expect(await redis.client.pttl(fence.key)).toBeGreaterThan(290_000);
    });

    it.each([
      ['gone', null],
      ['another', 'v8|rest'],
    ])('takes nothing when the credential is %s', async (_what, value) => {
      if (value !== null) await redis.client.set(fence.key, value);
      expect(await first().takeFenced(fence, 'c1', set)).toBe('lost');
      expect(await redis.client.keys('*bucket*')).toEqual([]);
    });

    it('lets exactly 40 of 500 at once through, over two replicas', async () => {
      await redis.client.set(fence.key, 'v7|rest');
      const answers = await Promise.all(
        times(500, (index) => (index % 2 ? first() : second()).takeFenced(fence, 'c1', set)),
      );
      expect(answers.filter((one) => typeof one === 'object' && one.allowed)).toHaveLength(40);
    });
  });
});

describe('LimiterService when its Redis fails', () => {
  let server: RedisServer;
  let replica: Awaited<ReturnType<typeof startLimiterReplica>>;
  const set = buildSet(['general', 50, 3600]);

  beforeEach(async () => {
    server = await RedisServer.start();
    replica = await startLimiterReplica(server.url);
  });
  afterEach(async () => {
    await replica.redis.onApplicationShutdown();
    await server.stop();
  });

  it('enforces in this process when Redis is killed amid 500 requests: at most what was left, once there and once here', async () => {
    const before = await Promise.all(times(20, () => replica.limiter.take('c1', set)));
    expect(passed(before)).toBe(20);
    const during = times(250, () => replica.limiter.take('c1', set));
    const killed = server.kill();
    const after = times(250, () => replica.limiter.take('c1', set));
    const decisions = await Promise.all([...during, ...after]);
    await killed;
    expect(passed(decisions)).toBeGreaterThanOrEqual(30);
    expect(passed(decisions)).toBeLessThanOrEqual(60);

    const late = await replica.limiter.take('c1', set);
    expect(late).toMatchObject({ allowed: false, degraded: true });
    expect(replica.limiter.stats.degraded).toBeGreaterThan(0);
  });

  it('goes on from what Redis last said: an outage is no second quota', async () => {
    expect(passed(await Promise.all(times(60, () => replica.limiter.take('c1', set))))).toBe(50);
    await server.kill();
    await eventually(() => !replica.redis.usable);
    const decisions = await Promise.all(times(100, () => replica.limiter.take('c1', set)));
    expect(passed(decisions)).toBe(0);
    expect(decisions.every((decision) => decision.degraded)).toBe(true);
    expect(await replica.limiter.take('c2', set)).toMatchObject({ allowed: true, degraded: true });
  });

  it('limits a caller first seen in the outage to exactly its limit', async () => {
    await server.kill();
    await eventually(() => !replica.redis.usable);
    expect(passed(await Promise.all(times(500, () => replica.limiter.take('c1', set))))).toBe(50);
  });

  it('answers within its bound when Redis freezes', async () => {
    server.pause();
    const start = performance.now();
    const decision = await replica.limiter.take('c1', set);
    expect(performance.now() - start).toBeLessThan(400);
    expect(decision).toMatchObject({ allowed: true, degraded: true, tightest: { remaining: 49 } });
    server.resume();
  });

  it('says of a fenced request that nothing was decided', async () => {
    await server.kill();
    const fence = { key: 'k', stamp: 'v', ttlMs: 1000 };
    expect(await replica.limiter.takeFenced(fence, 'c1', set)).toBe('unavailable');
    expect(replica.limiter.stats.allowed).toBe(0);
  });

  it('gives back only where it was taken, whichever way Redis goes meanwhile', async () => {
    for (let taken = 0; taken < 5; taken += 1) await replica.limiter.take('c1', set);
    await server.kill();
    await eventually(() => !replica.redis.usable);
    expect(await replica.limiter.giveBack('c1', set)).toBeNull();
    expect(await replica.limiter.foresee('c1', set, 1)).toMatchObject({ tightest: { remaining: 45 } });
    expect(await replica.limiter.take('c1', set)).toMatchObject({ degraded: true, tightest: { remaining: 44 } });

    await server.restart();
    await eventually(() => replica.redis.state === 'up', 10_000);
    const shared = await replica.limiter.take('c1', set);
    expect(shared).toMatchObject({ degraded: false });
    expect(await replica.limiter.giveBack('c1', set, true)).toMatchObject({ degraded: true });
    expect(await replica.limiter.foresee('c1', set, 1)).toMatchObject({
      degraded: false,
      tightest: { remaining: shared.tightest.remaining },
    });
  });

  it('shares again by itself when Redis is back', async () => {
    await server.kill();
    expect(await replica.limiter.take('c1', set)).toMatchObject({ degraded: true });
    await server.restart();
    await eventually(() => replica.redis.state === 'up', 10_000);
    expect(await replica.limiter.take('c1', set)).toMatchObject({ allowed: true, degraded: false });
  });

  const spoiled: [string, (admin: Redis) => Promise<unknown>][] = [
    ['has no memory left', (admin) => admin.config('SET', 'maxmemory', '1')],
    ['has become a replica', (admin) => admin.replicaof('127.0.0.1', 1)],
  ];
  // A node of a Cluster is made a replica by other means, and then says where the master is.
  it.each(redisShape() === 'cluster' ? spoiled.slice(0, 1) : spoiled)(
    'enforces in this process when Redis answers but %s',
    async (_why, spoil) => {
      expect(await replica.limiter.take('c1', set)).toMatchObject({ degraded: false });
      const admin = server.connect();
      await spoil(admin);
      const decisions = await Promise.all(times(100, () => replica.limiter.take('c1', set)));
      expect(passed(decisions)).toBe(49);
      expect(decisions.every((decision) => decision.degraded)).toBe(true);
      admin.disconnect();
    },
  );
});
