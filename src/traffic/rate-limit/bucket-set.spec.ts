import { BucketPolicy } from './bucket-policy.js';
import { BucketSet } from './bucket-set.js';
import { decide } from './limit-decision.js';

const general = new BucketPolicy('general', { quota: 100, windowSeconds: 3600 });
const query = new BucketPolicy('query', { quota: 10, windowSeconds: 60 });

describe('BucketSet', () => {
  it('has the arguments of one unit ready, and works out those of another cost', () => {
    const set = new BucketSet([general, query]);
    expect(set.argumentsFor(1)).toBe(set.argumentsFor(1));
    expect(set.argumentsFor(3)).toEqual([100, 3_600_000_000, 108_000_000, 0, 10, 60_000_000, 18_000_000, 0]);
  });

  it('has a key for each bucket of a subject, all in one slot', () => {
    expect(new BucketSet([general, query]).keysOf('cn_live_x')).toEqual([
      'cn:{cn_live_x}:bucket:general',
      'cn:{cn_live_x}:bucket:query',
    ]);
  });

  it('of nothing allows no decision', () => {
    const nothing = new BucketSet([]);
    expect(() => decide(nothing, { allowed: true, debts: [], lacking: 0 }, 1, 0, false)).toThrow(RangeError);
  });
});
