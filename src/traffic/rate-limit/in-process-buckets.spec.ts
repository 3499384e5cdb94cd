import type { RateClass } from '../../kernel/handler-marks.js';
import { BucketPolicy, type Debt, NO_DEBT } from './bucket-policy.js';
import { InProcessBuckets } from './in-process-buckets.js';

const T0 = 1_700_000_000_000_000;

function buildPolicy(quota: number, windowSeconds: number, rateClass: RateClass = 'general'): BucketPolicy {
  return new BucketPolicy(rateClass, { quota, windowSeconds });
}

function passes(buckets: InProcessBuckets, policies: BucketPolicy[], now: number, subject = 'a'): boolean {
  return buckets.take(subject, policies, 1, now).allowed;
}

function drain(buckets: InProcessBuckets, policy: BucketPolicy, now: number, subject = 'a'): number {
  let taken = 0;
  while (passes(buckets, [policy], now, subject)) taken += 1;
  return taken;
}

describe('InProcessBuckets', () => {
  it.each([
    [1, 1],
    [3, 10],
    [7, 60],
    [1000, 3600],
    [999, 1],
  ])('lets exactly %i units of %i seconds through at one instant', (quota, windowSeconds) => {
    expect(drain(new InProcessBuckets(), buildPolicy(quota, windowSeconds), T0)).toBe(quota);
  });

  it.each([
    [1, 1, 1_000_000],
    [3, 10, 3_333_334],
    [7, 60, 8_571_429],
    [1000, 3600, 3_600_000],
    [999, 1, 1002],
  ])('%i per %i s: one unit is back after %i µs and not a microsecond before', (quota, windowSeconds, micros) => {
    const buckets = new InProcessBuckets();
    const policy = buildPolicy(quota, windowSeconds);
    drain(buckets, policy, T0);
    expect(passes(buckets, [policy], T0 + micros - 1)).toBe(false);
    expect(passes(buckets, [policy], T0 + micros)).toBe(true);
    expect(passes(buckets, [policy], T0 + micros)).toBe(false);
  });

  it('is full again after a window and holds no more than its quota ever after', () => {
    const buckets = new InProcessBuckets();
    const policy = buildPolicy(7, 60);
    drain(buckets, policy, T0);
    expect(drain(buckets, policy, T0 + 60_000_000)).toBe(7);
    expect(drain(buckets, policy, T0 + 1e13)).toBe(7);
  });

  it('takes from all buckets or from none', () => {
    const buckets = new InProcessBuckets();
    const [wide, narrow] = [buildPolicy(10, 60), buildPolicy(2, 60, 'query')];
    expect([1, 2, 3, 4].map(() => passes(buckets, [wide, narrow], T0))).toEqual([true, true, false, false]);
    expect(drain(buckets, wide, T0)).toBe(8);
  });

  it('leaves every bucket as it was when it refuses, in whatever order they come', () => {
    const [wide, narrow] = [buildPolicy(10, 60), buildPolicy(1, 60, 'query')];
    for (const policies of [
      [wide, narrow],
      [narrow, wide],
    ]) {
      const buckets = new InProcessBuckets();
      expect(passes(buckets, policies, T0)).toBe(true);
      const first = buckets.take('a', policies, 1, T0);
      const second = buckets.take('a', policies, 1, T0);
      expect(first.allowed).toBe(false);
      expect(second).toEqual(first);
    }
  });

  it('keeps subjects apart', () => {
    const buckets = new InProcessBuckets();
    const policy = buildPolicy(3, 60);
    expect(drain(buckets, policy, T0, 'a')).toBe(3);
    expect(drain(buckets, policy, T0, 'b')).toBe(3);
    expect(drain(buckets, policy, T0, '__proto__')).toBe(3);
  });

  it('locks nobody out for longer than a window when the clock is set back', () => {
    const buckets = new InProcessBuckets();
    const policy = buildPolicy(4, 60);
    drain(buckets, policy, T0);
    const back = T0 - 86_400_000_000;
    expect(passes(buckets, [policy], back)).toBe(false);
    expect(passes(buckets, [policy], back + 14_999_999)).toBe(false);
    expect(passes(buckets, [policy], back + 15_000_000)).toBe(true);
    expect(drain(buckets, policy, back + 75_000_000)).toBe(4);
  });

  it('keeps the share that is left when the quota grows or shrinks', () => {
    const buckets = new InProcessBuckets();
    for (let taken = 0; taken < 5; taken += 1) buckets.take('a', [buildPolicy(10, 60)], 1, T0);
    expect(buckets.take('a', [buildPolicy(100, 60)], 51, T0).allowed).toBe(false);
    expect(buckets.take('a', [buildPolicy(100, 60)], 50, T0).allowed).toBe(true);
    expect(passes(buckets, [buildPolicy(2, 60)], T0 + 29_999_999)).toBe(false);
    expect(passes(buckets, [buildPolicy(2, 60)], T0 + 30_000_000)).toBe(true);
  });

  it('holds back for one new window at most when the window shrinks', () => {
    const buckets = new InProcessBuckets();
    drain(buckets, buildPolicy(10, 3600), T0);
    const short = buildPolicy(10, 60);
    expect(passes(buckets, [short], T0)).toBe(false);
    expect(drain(buckets, short, T0 + 60_000_000)).toBe(10);
  });

  describe('what Redis said', () => {
    const policy = buildPolicy(10, 60);
    const empty = { micros: policy.windowMicros, part: 0 };
    const half = { micros: policy.windowMicros / 2, part: 0 };

    it('is where it goes on from', () => {
      const buckets = new InProcessBuckets();
      buckets.note('a', [policy], [half], T0);
      expect(drain(buckets, policy, T0)).toBe(5);
    });

    it('never gives back what was taken here', () => {
      const buckets = new InProcessBuckets();
      buckets.note('a', [policy], [empty], T0);
      buckets.note('a', [policy], [half], T0);
      expect(drain(buckets, policy, T0)).toBe(0);
    });
  });

  describe('when a class is full', () => {
    const policy = buildPolicy(10, 60);

    it('never holds more than it may', () => {
      const buckets = new InProcessBuckets(100);
      for (let index = 0; index < 5000; index += 1) passes(buckets, [policy], T0 + index, `s${index}`);
      expect(buckets.size).toBeLessThanOrEqual(100);
      expect(buckets.size).toBeGreaterThanOrEqual(90);
    });

    it('forgets buckets that are full again before any other', () => {
      const buckets = new InProcessBuckets(100);
      drain(buckets, policy, T0, 'attacker');
      for (let index = 0; index < 98; index += 1) passes(buckets, [policy], T0, `idle${index}`);
      const later = T0 + 7_000_000;
      passes(buckets, [policy], later, 'new1');
      passes(buckets, [policy], later, 'new2');
      expect(buckets.size).toBe(3);
      expect(drain(buckets, policy, later, 'attacker')).toBe(1);
    });

    it('does not let a flood of newcomers refill an emptied bucket', () => {
      const buckets = new InProcessBuckets(100);
      drain(buckets, policy, T0, 'attacker');
      for (let index = 0; index < 10_000; index += 1) passes(buckets, [policy], T0, `flood${index}`);
      expect(passes(buckets, [policy], T0, 'attacker')).toBe(false);
    });

    it('does not let one class push out another', () => {
      const buckets = new InProcessBuckets(100);
      passes(buckets, [policy], T0, 'client');
      const other = buildPolicy(10, 3600, 'address');
      for (let index = 0; index < 1000; index += 1) drain(buckets, other, T0, `flood${index}`);
      expect(drain(buckets, policy, T0, 'client')).toBe(9);
    });
  });
});

describe('InProcessBuckets of several windows', () => {
  const hour = new BucketPolicy('general', { quota: 10, windowSeconds: 3600 });
  const minute = new BucketPolicy('general', { quota: 3, windowSeconds: 60 }, { further: true, shadow: true });
  const now = 1_700_000_000_000_000;

  it('keeps them apart, and one in shadow has no say', () => {
    const buckets = new InProcessBuckets();
    const taken = [1, 2, 3, 4].map(() => buckets.take('a', [hour, minute], 1, now));
    expect(taken.map(({ allowed, lacking }) => [allowed, lacking])).toEqual([
      [true, 0],
      [true, 0],
      [true, 0],
      [true, 2],
    ]);
    const debts = buckets.peek('a', [hour, minute], now);
    expect([hour.remaining(debts[0] as Debt), minute.remaining(debts[1] as Debt)]).toEqual([6, 0]);
    expect(buckets.size).toBe(2);
  });

  it('takes from none, in shadow or not, when one that is enforced refuses', () => {
    const buckets = new InProcessBuckets();
    expect(buckets.take('a', [minute, hour], 11, now)).toEqual({
      allowed: false,
      debts: [NO_DEBT, NO_DEBT],
      lacking: 0,
    });
    expect(buckets.size).toBe(0);
  });

  it('gives back, and nothing to whom it does not know', () => {
    const buckets = new InProcessBuckets();
    buckets.take('a', [hour], 2, now);
    expect(buckets.giveBack('a', [hour], now)).toEqual([hour.debtOf(1)]);
    expect(buckets.giveBack('a', [hour], now)).toEqual([NO_DEBT]);
    expect(buckets.giveBack('a', [hour], now)).toEqual([NO_DEBT]);
    expect(buckets.giveBack('b', [hour], now)).toEqual([NO_DEBT]);
  });
});
