import fc from 'fast-check';
import { BucketPolicy, type Debt, NO_DEBT } from './bucket-policy.js';

const limits = fc.record({
  quota: fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 999_999_999 })),
  windowSeconds: fc.oneof(fc.integer({ min: 1, max: 3600 }), fc.integer({ min: 1, max: 99_999_999 })),
});

/** A policy, a debt it can have, and a number of units up to its quota. */
const cases = limits.chain(({ quota, windowSeconds }) => {
  const policy = new BucketPolicy('general', { quota, windowSeconds });
  const debts = fc
    .record({
      micros: fc.integer({ min: 0, max: policy.windowMicros }),
      part: fc.integer({ min: 0, max: quota - 1 }),
    })
    .map((debt) => (debt.micros === policy.windowMicros ? { ...debt, part: 0 } : debt));
  return fc.record({ policy: fc.constant(policy), debt: debts, units: fc.integer({ min: 1, max: quota }) });
});

/** Quota-ths of a microsecond, exactly. */
function exact(policy: BucketPolicy, debt: Debt): bigint {
  return BigInt(debt.micros) * BigInt(policy.quota) + BigInt(debt.part);
}

function ceilDivide(a: bigint, b: bigint): bigint {
  return a <= 0n ? 0n : (a + b - 1n) / b;
}

describe('BucketPolicy', () => {
  it('adds exactly units × window / quota, however large the numbers are', () => {
    fc.assert(
      fc.property(cases, ({ policy, units }) => {
        const debt = policy.debtOf(units);
        expect(exact(policy, debt)).toBe(BigInt(units) * BigInt(policy.windowMicros));
        expect(debt.part).toBeLessThan(policy.quota);
      }),
      { numRuns: 1000 },
    );
  });

  it('takes a cost exactly when the bucket holds it, and adds nothing else', () => {
    fc.assert(
      fc.property(cases, ({ policy, debt, units }) => {
        const total = exact(policy, debt) + BigInt(units) * BigInt(policy.windowMicros);
        const fits = total <= BigInt(policy.windowMicros) * BigInt(policy.quota);
        const after = policy.add(debt, policy.debtOf(units));
        expect(after === null ? null : exact(policy, after)).toBe(fits ? total : null);
      }),
      { numRuns: 1000 },
    );
  });

  it('counts what remains exactly', () => {
    fc.assert(
      fc.property(cases, ({ policy, debt }) => {
        const level = BigInt(policy.windowMicros) * BigInt(policy.quota) - exact(policy, debt);
        expect(BigInt(policy.remaining(debt))).toBe(level / BigInt(policy.windowMicros));
      }),
      { numRuns: 1000 },
    );
  });

  it('names the least wait that is enough', () => {
    fc.assert(
      fc.property(cases, ({ policy, debt, units }) => {
        const capacity = BigInt(policy.windowMicros) * BigInt(policy.quota);
        const over = exact(policy, debt) + BigInt(units) * BigInt(policy.windowMicros) - capacity;
        expect(BigInt(policy.microsUntil(debt, units))).toBe(ceilDivide(over, BigInt(policy.quota)));
        expect(BigInt(policy.microsUntilFull(debt))).toBe(ceilDivide(exact(policy, debt), BigInt(policy.quota)));
      }),
      { numRuns: 1000 },
    );
  });

  it('never holds a cost above its quota, and says when it is full instead', () => {
    const policy = new BucketPolicy('general', { quota: 3, windowSeconds: 60 });
    expect(policy.add(NO_DEBT, policy.debtOf(4))).toBeNull();
    expect(policy.add(NO_DEBT, policy.debtOf(1e15))).toBeNull();
    expect(policy.microsUntil({ micros: 20_000_000, part: 0 }, 4)).toBe(20_000_000);
  });

  describe('reading a stored time', () => {
    const policy = new BucketPolicy('general', { quota: 7, windowSeconds: 60 });

    it.each([
      ['long past', -1, 0, { micros: 0, part: 0 }],
      ['now', 0, 0, { micros: 0, part: 0 }],
      ['a fraction from now', 0, 3, { micros: 0, part: 3 }],
      ['a window from now', 60_000_000, 0, { micros: 60_000_000, part: 0 }],
      ['just beyond a window', 60_000_000, 1, { micros: 60_000_000, part: 0 }],
      ['years beyond', 1e15, 6, { micros: 60_000_000, part: 0 }],
      ['fractions of a larger quota', 5, 7, { micros: 6, part: 0 }],
    ])('%s', (_when, ahead, part, debt) => {
      const now = 1_700_000_000_000_000;
      expect(policy.debtAt(now, now + ahead, part)).toEqual(debt);
    });
  });
});

describe('BucketPolicy.share', () => {
  it.each([
    [50, 3, 1, 16],
    [50, 1, 1, 50],
    [2, 3, 1, 1],
    [10, 3, 4, 4],
    [100, 7, 4, 14],
  ])('of %d over %d replicas at a cost of %d is %d', (quota, replicas, cost, share) => {
    const policy = new BucketPolicy('general', { quota, windowSeconds: 60 }, { cost, further: true, origin: 'env' });
    expect(policy.share(replicas)).toMatchObject({ quota: share, windowSeconds: 60, cost, name: 'general:60' });
  });

  it('subtracts what was added, and never below nothing', () => {
    fc.assert(
      fc.property(cases, ({ policy, debt, units }) => {
        const cost = policy.debtOf(units);
        const added = policy.add(debt, cost);
        if (added !== null) expect(policy.subtract(added, cost)).toEqual(debt);
        const less = policy.subtract(debt, cost);
        const expected = exact(policy, debt) - exact(policy, cost);
        expect(exact(policy, less)).toBe(expected < 0n ? 0n : expected);
      }),
      { numRuns: 1000 },
    );
  });
});
