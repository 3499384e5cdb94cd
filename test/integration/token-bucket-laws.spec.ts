import fc from 'fast-check';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import { BucketPolicy, type Debt, type Taken } from '../../src/traffic/rate-limit/bucket-policy.js';
import { InProcessBuckets } from '../../src/traffic/rate-limit/in-process-buckets.js';
import {
  giveBackScripts,
  peekArguments,
  peekScripts,
  readTaken,
  takeArguments,
  takeScripts,
} from '../../src/traffic/rate-limit/token-bucket.script.js';
import { BucketModel } from '../support/bucket-model.js';
import { redisShape } from '../support/redis-shape.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

const T0 = 1_700_000_000_000_000;
const CLASSES = ['general', 'query', 'key_creation'] as const;

type Take = (subject: string, policies: readonly BucketPolicy[], requests: number, now: number) => Promise<Taken>;

/** The code under test, on a clock of the test's. */
interface Buckets {
  readonly take: Take;
  /** Gives back one request. */
  giveBack(subject: string, policies: readonly BucketPolicy[], now: number): Promise<readonly Debt[]>;
  peek(subject: string, policies: readonly BucketPolicy[], now: number): Promise<readonly Debt[]>;
}

type Step =
  | { readonly kind: 'take'; readonly cost: number }
  | { readonly kind: 'wait'; readonly windows: number }
  /** Until a unit is back in one of the buckets, and `off` microseconds more or less. */
  | { readonly kind: 'boundary'; readonly bucket: number; readonly off: number };

const limit = fc.record({
  quota: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 999_999_999 })),
  windowSeconds: fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 99_999_999 })),
});
/** Up to four buckets: of up to three classes, further windows of a class, at any cost, enforced or in shadow. */
const policies = fc
  .array(
    fc.record({
      limit,
      rateClass: fc.constantFrom(...CLASSES),
      cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 20 })),
      shadow: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((all) => {
    const made: BucketPolicy[] = [];
    for (const { limit, rateClass, ...traits } of all) {
      const further = made.some((policy) => policy.rateClass === rateClass);
      const policy = new BucketPolicy(rateClass, limit, { ...traits, further });
      if (made.every(({ name }) => name !== policy.name)) made.push(policy);
    }
    return made;
  });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('take' as const), cost: fc.oneof(fc.constant(1), fc.nat({ max: 20 })) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), windows: fc.double({ min: 0, max: 1.2, noNaN: true }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('boundary' as const),
      bucket: fc.nat({ max: 3 }),
      off: fc.integer({ min: -2, max: 2 }),
    }),
  },
);
const history = fc.record({ policies, steps: fc.array(step, { minLength: 1, maxLength: 40 }) });

/** What happens in this process is the same on every shape of Redis. */
const PLACES = redisShape() === 'single' ? ['in this process', 'in Redis'] : ['in Redis'];

describe.each(PLACES)('token buckets %s', (where) => {
  let redis: TestRedis;
  let buckets: Buckets;
  const take: Take = (...args) => buckets.take(...args);
  const runs = where === 'in Redis' ? 150 : 1000;

  beforeAll(async () => {
    redis = await createTestRedis();
    buckets = where === 'in Redis' ? inRedis(redis) : inProcess();
  });
  afterAll(() => redis.drop());

  it('do what the model does, to the microsecond, and change nothing when they refuse', async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ policies, steps }) => {
        const model = new BucketModel();
        const subject = nextSubject();
        let now = T0;
        let last: Taken | undefined;
        for (const one of steps) {
          if (one.kind === 'take') {
            const remaining = policies.map((policy) => model.remaining(policy));
            const lacking = model.lacking(policies, one.cost);
            const seen = await buckets.peek(subject, policies, now);
            expect(policies.map((policy, index) => policy.remaining(seen[index] as Debt))).toEqual(remaining);
            const expected = model.take(policies, one.cost);
            last = await take(subject, policies, one.cost, now);
            expect(last.allowed).toBe(expected);
            expect(policies.map((_, index) => (((last as Taken).lacking >> index) & 1) === 1)).toEqual(
              expected ? lacking : policies.map(() => false),
            );
            const after = policies.map((policy, index) =>
              policy.remaining(last?.debts[index] ?? { micros: 0, part: 0 }),
            );
            expect(after).toEqual(policies.map((policy) => model.remaining(policy)));
            if (!expected) expect(after).toEqual(remaining);
          } else {
            const micros = waitOf(one, policies, last);
            now += micros;
            last = undefined;
            model.advance(policies, micros);
          }
        }
      }),
      { numRuns: runs },
    );
  });

  it('are after a request was given back as if it had not come', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat({ max: 5_000_000 }), async ({ policies: all, steps }, later) => {
        const policies = all.filter((policy) => !policy.shadow);
        if (policies.length === 0) return;
        const subject = nextSubject();
        let now = T0;
        for (const one of steps) {
          if (one.kind === 'take') await take(subject, policies, one.cost, now);
          else now += waitOf(one, policies, undefined);
        }
        const without = await buckets.peek(subject, policies, now + later);
        if (!(await take(subject, policies, 1, now)).allowed) return;
        const after = await buckets.giveBack(subject, policies, now + later);
        for (const [index, policy] of policies.entries()) {
          // Where the bucket filled up meanwhile nothing is left to give back.
          expect(exact(policy, after[index])).toBeLessThanOrEqual(exact(policy, without[index]));
          if (exact(policy, without[index]) > 0n)
            expect(exact(policy, after[index])).toBe(exact(policy, without[index]));
        }
        expect(await buckets.peek(subject, policies, now + later)).toEqual(after);
      }),
      { numRuns: runs },
    );
  });

  it('let the same through, whatever is in shadow beside them', async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ policies, steps }) => {
        const enforced = policies.filter((policy) => !policy.shadow);
        if (enforced.length === 0) return;
        const [mixed, alone] = [nextSubject(), nextSubject()];
        let now = T0;
        for (const one of steps) {
          if (one.kind !== 'take') now += waitOf(one, policies, undefined);
          else {
            const both = await take(mixed, policies, one.cost, now);
            const only = await take(alone, enforced, one.cost, now);
            expect(both.allowed).toBe(only.allowed);
            expect(both.debts.filter((_, index) => !policies[index]?.shadow)).toEqual(only.debts);
          }
        }
      }),
      { numRuns: Math.ceil(runs / 2) },
    );
  });

  it('never let more through, in whatever span of time, than the quota and what was refilled in it', async () => {
    await fc.assert(
      fc.asyncProperty(limit, fc.array(fc.nat({ max: 2_000_000 }), { maxLength: 40 }), async (given, waits) => {
        const policy = new BucketPolicy('general', {
          quota: Math.min(given.quota, 20),
          windowSeconds: 1 + (given.windowSeconds % 30),
        });
        const subject = nextSubject();
        const passed: number[] = [];
        let now = T0;
        for (const wait of waits) {
          now += wait;
          while ((await take(subject, [policy], 1, now)).allowed) passed.push(now);
        }
        for (let first = 0; first < passed.length; first += 1) {
          for (let last = first; last < passed.length; last += 1) {
            const units = BigInt(last - first + 1 - policy.quota) * BigInt(policy.windowMicros);
            const span = BigInt((passed[last] as number) - (passed[first] as number));
            expect(units <= span * BigInt(policy.quota)).toBe(true);
          }
        }
      }),
      { numRuns: Math.ceil(runs / 5) },
    );
  });

  it('honour the wait they announce: not a microsecond before, and then one passes', async () => {
    await fc.assert(
      fc.asyncProperty(limit, fc.integer({ min: 1, max: 1000 }), async (given, cost) => {
        const policy = new BucketPolicy('general', given);
        const needed = Math.min(cost, policy.quota);
        const subject = nextSubject();
        expect((await take(subject, [policy], policy.quota, T0)).allowed).toBe(true);
        const refused = await take(subject, [policy], needed, T0);
        expect(refused.allowed).toBe(false);
        const wait = policy.microsUntil(refused.debts[0] ?? { micros: 0, part: 0 }, needed);
        expect((await take(subject, [policy], needed, T0 + wait - 1)).allowed).toBe(false);
        expect((await take(subject, [policy], needed, T0 + wait)).allowed).toBe(true);
      }),
      { numRuns: runs },
    );
  });

  it('lock nobody out for longer than a window when the clock is set back', async () => {
    await fc.assert(
      fc.asyncProperty(limit, fc.integer({ min: 1, max: 1e14 }), async (given, back) => {
        const policy = new BucketPolicy('general', given);
        const subject = nextSubject();
        await take(subject, [policy], policy.quota, T0);
        const now = T0 - back;
        await take(subject, [policy], 1, now);
        expect((await take(subject, [policy], policy.quota, now + policy.windowMicros)).allowed).toBe(true);
      }),
      { numRuns: runs },
    );
  });
});

let subjects = 0;

function nextSubject(): string {
  subjects += 1;
  return `s${subjects}`;
}

function waitOf(
  step: Exclude<Step, { kind: 'take' }>,
  policies: readonly BucketPolicy[],
  last: Taken | undefined,
): number {
  if (step.kind === 'wait') return Math.floor(step.windows * (policies[0]?.windowMicros ?? 0));
  const policy = policies[step.bucket];
  const debt = last?.debts[step.bucket];
  if (policy === undefined || debt === undefined) return 1;
  return Math.max(policy.microsUntil(debt, policy.remaining(debt) + 1) + step.off, 0);
}

/** Quota-ths of a microsecond. */
function exact(policy: BucketPolicy, debt: Debt | undefined): bigint {
  return BigInt(debt?.micros ?? 0) * BigInt(policy.quota) + BigInt(debt?.part ?? 0);
}

function inProcess(): Buckets {
  const buckets = new InProcessBuckets();
  return {
    take: async (subject, policies, requests, now) => buckets.take(subject, policies, requests, now),
    giveBack: async (subject, policies, now) => buckets.giveBack(subject, policies, now),
    peek: async (subject, policies, now) => buckets.peek(subject, policies, now),
  };
}

/** The scripts as they are, but that the test says what time it is and nothing expires behind the test's back. */
function inRedis(redis: TestRedis): Buckets {
  for (const { name, keys, lua } of [...takeScripts(), ...giveBackScripts(), ...peekScripts()]) {
    const clock = '{string.sub(ARGV[#ARGV], 1, -7), string.sub(ARGV[#ARGV], -6)}';
    const withClock = lua.replace("redis.call('TIME')", clock).replaceAll("redis.call('SET',", 'setForever(');
    const setForever = "local function setForever(key, value) return redis.call('SET', key, value) end";
    const writes = !name.startsWith('peek');
    if (withClock.includes("'TIME'") || withClock.includes('setForever') !== writes)
      throw new Error('The script has changed.');
    redis.client.defineCommand(name, { numberOfKeys: keys, lua: `${setForever}\n${withClock}` });
  }
  const commands = redis.client as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
  const run = async (script: string, subject: string, policies: readonly BucketPolicy[], args: number[]) => {
    const keys = policies.map((policy) => redisKey.bucket(subject, policy.name));
    return readTaken(await commands[`${script}${policies.length}`]?.(...keys, ...args), policies.length);
  };
  return {
    take: (subject, policies, requests, now) =>
      run('takeBuckets', subject, policies, [...takeArguments(policies, requests), now]),
    giveBack: async (subject, policies, now) =>
      (await run('giveBackBuckets', subject, policies, [...takeArguments(policies, 1), now])).debts,
    peek: async (subject, policies, now) =>
      (await run('peekBuckets', subject, policies, [...peekArguments(policies), now])).debts,
  };
}
