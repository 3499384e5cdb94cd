import fc from 'fast-check';
import { BucketPolicy, type BucketTraits } from '../../src/traffic/rate-limit/bucket-policy.js';
import { BucketSet } from '../../src/traffic/rate-limit/bucket-set.js';
import type { Decision } from '../../src/traffic/rate-limit/limit-decision.js';
import { type LimiterReplica, startLimiterReplica } from '../support/limiter-replica.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

const FIVE_MINUTES = 300_000;
type Class = 'general' | 'query' | 'key_creation';

let redis: TestRedis;
let replicas: LimiterReplica[];
let subjects = 0;

beforeAll(async () => {
  redis = await createTestRedis();
  replicas = await Promise.all(
    [-FIVE_MINUTES, 0, FIVE_MINUTES].map((ahead) => startLimiterReplica(redis.url, { ahead, live: 3 })),
  );
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await redis.drop();
});

const replica = (index: number) => replicas[index % 3] as LimiterReplica;
function newSubject(): string {
  subjects += 1;
  return `exact${subjects}`;
}

function bucket(rateClass: Class, quota: number, windowSeconds: number, traits: BucketTraits = {}): BucketPolicy {
  return new BucketPolicy(rateClass, { quota, windowSeconds }, traits);
}

function burst(subject: string, set: BucketSet, count: number): Promise<Decision[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => replica(index).limiter.take(subject, set)));
}

const passed = (decisions: readonly Decision[]) => decisions.filter(({ allowed }) => allowed).length;

/** Everything Redis holds of the buckets: their bytes, and when they expire, to the millisecond. */
async function stateOf(subject: string, set: BucketSet): Promise<unknown[]> {
  return Promise.all(
    set.keysOf(subject).map(async (key) => [await redis.client.get(key), await redis.client.call('PEXPIRETIME', key)]),
  );
}

describe('three replicas whose clocks are five minutes apart', () => {
  it('let exactly 50 of 1,000 requests at once through at 50', async () => {
    const set = new BucketSet([bucket('general', 50, 3600)]);
    const subject = newSubject();
    const decisions = await burst(subject, set, 1_000);
    expect(passed(decisions)).toBe(50);
    expect(decisions.every(({ degraded }) => !degraded)).toBe(true);
    expect(new Set(decisions.filter(({ allowed }) => allowed).map(({ tightest }) => tightest.remaining)).size).toBe(50);
  });

  it('tell the same moment and the same wait', async () => {
    const set = new BucketSet([bucket('general', 50, 3600)]);
    const subject = newSubject();
    await burst(subject, set, 60);
    for (const { limiter } of replicas) {
      const { allowed, resetAt, tightest } = await limiter.take(subject, set);
      expect(allowed).toBe(false);
      expect(Math.abs(tightest.resetSeconds - 72)).toBeLessThanOrEqual(1);
      expect(Math.abs(resetAt - (Date.now() / 1000 + 72))).toBeLessThanOrEqual(2);
    }
  });

  it('let through what was refilled and not one more, before and after every boundary', async () => {
    const set = new BucketSet([bucket('general', 10, 1)]);
    const subject = newSubject();
    const [startSeconds, startMicros] = (await redis.client.time()).map(Number) as [number, number];
    let through = 0;
    let elapsed = 0;
    while (elapsed < 2_000_000) {
      through += passed(await burst(subject, set, 30));
      const [seconds, micros] = (await redis.client.time()).map(Number) as [number, number];
      elapsed = (seconds - startSeconds) * 1_000_000 + micros - startMicros;
      expect(through).toBeLessThanOrEqual(10 + Math.floor(elapsed / 100_000));
    }
    // Asked without a pause, next to nothing that flowed back was left lying.
    expect(through).toBeGreaterThanOrEqual(10 + Math.floor(elapsed / 100_000) - 3);
  });
});

describe('a refusal', () => {
  const traits = fc.record({
    rateClass: fc.constantFrom<Class>('general', 'query', 'key_creation'),
    quota: fc.integer({ min: 3, max: 40 }),
    windowSeconds: fc.integer({ min: 500, max: 50_000 }),
    cost: fc.integer({ min: 1, max: 3 }),
    shadow: fc.boolean(),
  });
  const sets = fc.array(traits, { minLength: 1, maxLength: 6 }).map((all) => {
    const made = [bucket('general', 20, 1_000)];
    for (const { rateClass, quota, windowSeconds, cost, shadow } of all) {
      const further = made.some((policy) => policy.rateClass === rateClass);
      const policy = bucket(rateClass, quota, windowSeconds, { cost, shadow, further });
      if (made.every(({ name }) => name !== policy.name)) made.push(policy);
    }
    return new BucketSet(made);
  });

  it('leaves every byte of every bucket, and when it expires, whatever windows, costs and shadows', async () => {
    await fc.assert(
      fc.asyncProperty(sets, async (set) => {
        const subject = newSubject();
        await burst(subject, set, 40);
        const before = await stateOf(subject, set);
        const refused = await burst(subject, set, 30);
        expect(passed(refused)).toBe(0);
        expect(await stateOf(subject, set)).toEqual(before);
      }),
      { numRuns: 40 },
    );
  });

  it('of one class leaves the bytes of another', async () => {
    const both = new BucketSet([bucket('general', 100, 3600), bucket('query', 3, 3600)]);
    const general = new BucketSet([bucket('general', 100, 3600)]);
    const subject = newSubject();
    await burst(subject, both, 3);
    const before = await stateOf(subject, general);
    expect(passed(await burst(subject, both, 200))).toBe(0);
    expect(await stateOf(subject, general)).toEqual(before);
    expect(passed(await burst(subject, general, 200))).toBe(97);
  });

  it('given after the buckets were taken from restores them', async () => {
    const set = new BucketSet([bucket('general', 100, 3600), bucket('query', 7, 60), bucket('key_creation', 9, 61)]);
    const subject = newSubject();
    await burst(subject, set, 3);
    const before = (await stateOf(subject, set)).map((state) => (state as [string])[0]);
    await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const { allowed } = await replica(index).limiter.take(subject, set);
        if (allowed) await replica(index).limiter.giveBack(subject, set);
      }),
    );
    expect((await stateOf(subject, set)).map((state) => (state as [string])[0])).toEqual(before);
  });
});

describe('a look ahead', () => {
  it('changes neither bytes nor expiry, and says what happens next', async () => {
    const set = new BucketSet([
      bucket('general', 10, 3600, { cost: 3 }),
      bucket('general', 4, 600, { cost: 3, further: true, shadow: true }),
    ]);
    const subject = newSubject();
    for (let index = 0; index < 5; index += 1) {
      const before = await stateOf(subject, set);
      const looks = await Promise.all(replicas.map(({ limiter }) => limiter.foresee(subject, set, 1)));
      const three = await replica(index).limiter.foresee(subject, set, 4);
      expect(await stateOf(subject, set)).toEqual(before);
      expect(three.allowed).toBe(false);
      const real = await replica(index).limiter.take(subject, set);
      expect(looks.map(({ allowed }) => allowed)).toEqual([real.allowed, real.allowed, real.allowed]);
      expect(looks[0]?.buckets.map(({ lacking }) => lacking)).toEqual(real.buckets.map(({ lacking }) => lacking));
    }
  });
});

describe('a limit that is changed while its bucket is partly used', () => {
  it.each([
    ['a larger quota keeps the part that was used', [100, 3600], [200, 3600], 99],
    ['a smaller quota keeps the part that was used', [100, 3600], [50, 3600], 24],
    ['a longer window counts what was used as the time it takes to flow back', [100, 3600], [100, 36_000], 94],
    ['a shorter window is an empty bucket at most', [100, 3600], [100, 60], 0],
  ] as const)('%s', async (_what, [quota, seconds], [newQuota, newSeconds], left) => {
    const subject = newSubject();
    await burst(subject, new BucketSet([bucket('general', quota, seconds)]), quota / 2);
    const changed = new BucketSet([bucket('general', newQuota, newSeconds)]);
    const { tightest } = await replica(0).limiter.take(subject, changed);
    expect(tightest.remaining).toBe(left);
    expect(tightest.resetSeconds).toBeLessThanOrEqual(newSeconds);
  });

  it('to a shorter window is full again within that window', async () => {
    const subject = newSubject();
    await burst(subject, new BucketSet([bucket('general', 10, 3600)]), 10);
    const changed = new BucketSet([bucket('general', 10, 1)]);
    const first = await replica(0).limiter.take(subject, changed);
    expect(first).toMatchObject({ allowed: false, tightest: { remaining: 0, resetSeconds: 1 } });
    const key = changed.keysOf(subject)[0] as string;
    expect(await redis.client.pttl(key)).toBeLessThanOrEqual(1_000);
  });

  it('gets a further window beside it, which starts full, and goes on in the first', async () => {
    const subject = newSubject();
    await burst(subject, new BucketSet([bucket('general', 100, 3600)]), 60);
    const changed = new BucketSet([bucket('general', 100, 3600), bucket('general', 5, 600, { further: true })]);
    const { buckets } = await replica(0).limiter.take(subject, changed);
    expect(buckets.map(({ remaining }) => remaining)).toEqual([39, 4]);
    expect(changed.keysOf(subject)).toEqual([`cn:{${subject}}:bucket:general`, `cn:{${subject}}:bucket:general:600`]);
  });

  it('goes on from shadow to enforced where it stood', async () => {
    const subject = newSubject();
    const shadow = new BucketSet([bucket('general', 5, 3600, { shadow: true })]);
    const decisions = await burst(subject, shadow, 20);
    expect(passed(decisions)).toBe(20);
    expect(decisions.filter(({ buckets }) => buckets[0]?.lacking)).toHaveLength(15);
    expect(passed(await burst(subject, new BucketSet([bucket('general', 5, 3600)]), 20))).toBe(0);
  });
});
