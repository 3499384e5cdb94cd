import type { RateClass } from '../../kernel/handler-marks.js';
import { BucketPolicy } from './bucket-policy.js';
import { BucketSet } from './bucket-set.js';
import { InProcessBuckets } from './in-process-buckets.js';
import { type Decision, decide } from './limit-decision.js';

const T0 = 1_700_000_000_000_000;

/** A subject with buckets of its own, at a clock that stands still unless told. */
function buildSubject(...limits: [RateClass, number, number][]) {
  const set = new BucketSet(
    limits.map(([rateClass, quota, windowSeconds]) => new BucketPolicy(rateClass, { quota, windowSeconds })),
  );
  const buckets = new InProcessBuckets();
  return {
    take: (cost = 1, now = T0): Decision => decide(set, buckets.take('a', set.policies, cost, now), cost, now, false),
    takeFrom: (index: number, cost: number) => buckets.take('a', set.policies.slice(index, index + 1), cost, T0),
  };
}

describe('decide', () => {
  it('reports the example of the contract', () => {
    const decision = buildSubject(['general', 1000, 3600]).take();
    const report = {
      class: 'general',
      name: 'general',
      quota: 1000,
      windowSeconds: 3600,
      cost: 1,
      shadow: false,
      remaining: 999,
      resetSeconds: 4,
      lacking: false,
    };
    expect(decision).toEqual({
      allowed: true,
      degraded: false,
      buckets: [report],
      tightest: report,
      resetAt: 1_700_000_004,
      policyHeader: '"general";q=1000;w=3600',
    });
  });

  it('counts down to nothing, and then says when one unit is back', () => {
    const subject = buildSubject(['general', 3, 60]);
    const seen = [1, 2, 3, 4].map(() => subject.take());
    expect(seen.map(({ allowed, tightest }) => [allowed, tightest.remaining, tightest.resetSeconds])).toEqual([
      [true, 2, 20],
      [true, 1, 40],
      [true, 0, 20],
      [false, 0, 20],
    ]);
  });

  it('puts the reset at now + t, and never before the unit is back', () => {
    const subject = buildSubject(['general', 1, 10]);
    expect(subject.take(1, T0 + 900_000).resetAt).toBe(1_700_000_011);
    const refused = subject.take(1, T0 + 1_000_000);
    expect(refused.tightest.resetSeconds).toBe(10);
    expect(refused.resetAt).toBe(1_700_000_011);
    expect(subject.take(1, refused.resetAt * 1_000_000).allowed).toBe(true);
  });

  it('names the bucket with the least remaining', () => {
    const subject = buildSubject(['general', 1000, 3600], ['query', 10, 60]);
    expect(subject.take().tightest).toMatchObject({ class: 'query', remaining: 9, resetSeconds: 6 });
    subject.takeFrom(0, 995);
    expect(subject.take().tightest).toMatchObject({ class: 'general', remaining: 3 });
  });

  it('among buckets with as much remaining, names the one that takes longer', () => {
    const subject = buildSubject(['query', 5, 60], ['general', 5, 3600]);
    expect(subject.take().tightest).toMatchObject({ class: 'general', remaining: 4, resetSeconds: 720 });
  });

  it('names the bucket that refuses, though another has less', () => {
    const subject = buildSubject(['general', 10, 3600], ['query', 4, 60]);
    subject.takeFrom(0, 7);
    const refused = subject.take(4);
    expect(refused.allowed).toBe(false);
    expect(refused.tightest).toMatchObject({ class: 'general', remaining: 3, resetSeconds: 360 });
  });

  it('names the bucket that refuses, though another takes longer until it is full', () => {
    const subject = buildSubject(['general', 1000, 3600], ['query', 2, 60]);
    subject.takeFrom(0, 500);
    subject.take(2);
    expect(subject.take()).toMatchObject({
      allowed: false,
      buckets: [{ remaining: 498, resetSeconds: 1808 }, {}],
      tightest: { class: 'query', remaining: 0, resetSeconds: 30 },
    });
  });

  it('when both refuse a larger cost, names the longer wait, though the other has less', () => {
    const subject = buildSubject(['query', 10, 60], ['general', 10, 3600]);
    subject.takeFrom(0, 9);
    subject.takeFrom(1, 8);
    expect(subject.take(3).tightest).toMatchObject({ class: 'general', remaining: 2, resetSeconds: 360 });
  });

  it('when both refuse, names the longer wait, so that it is enough for both', () => {
    const subject = buildSubject(['query', 1, 60], ['general', 1, 3600]);
    subject.take();
    const refused = subject.take();
    expect(refused.tightest).toMatchObject({ class: 'general', resetSeconds: 3600 });
    expect(subject.take(1, T0 + 3_599_999_999).allowed).toBe(false);
    expect(subject.take(1, T0 + 3_600_000_000).allowed).toBe(true);
  });

  it('says when a larger cost fits', () => {
    const subject = buildSubject(['general', 10, 100]);
    subject.take(8);
    const refused = subject.take(5);
    expect(refused).toMatchObject({ allowed: false, tightest: { remaining: 2, resetSeconds: 30 } });
    expect(subject.take(5, T0 + 29_999_999).allowed).toBe(false);
    expect(subject.take(5, T0 + 30_000_000).allowed).toBe(true);
  });
});
