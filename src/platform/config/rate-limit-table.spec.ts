import { isRateLimitsText, RateLimitTable } from './rate-limit-table.js';

describe('RateLimitTable', () => {
  it('has the defaults of the contract', () => {
    const table = new RateLimitTable('');
    expect(table.limit('general', 'free')).toEqual({ quota: 100, windowSeconds: 3600 });
    expect(table.limit('general', 'paid')).toEqual({ quota: 1000, windowSeconds: 3600 });
    expect(table.limit('query', 'free')).toEqual({ quota: 10, windowSeconds: 60 });
    expect(table.limit('login')).toEqual({ quota: 5, windowSeconds: 60 });
    expect(table.limit('key_creation', 'paid')).toEqual({ quota: 10, windowSeconds: 3600 });
    expect(table.limit('address')).toBeNull();
    expect(table.tiers()).toEqual(['free', 'paid']);
  });

  it('overrides one tier and leaves the others', () => {
    const table = new RateLimitTable('general.free=5/60');
    expect(table.limit('general', 'free')).toEqual({ quota: 5, windowSeconds: 60 });
    expect(table.limit('general', 'paid')).toEqual({ quota: 1000, windowSeconds: 3600 });
  });

  it('applies a class without tier to all tiers, and lets a tier named as well win in either order', () => {
    for (const text of ['general=7/10,general.gold=9/10', ' general.gold=9/10 , general=7/10,']) {
      const table = new RateLimitTable(text);
      expect(table.limit('general', 'free')?.quota).toBe(7);
      expect(table.limit('general', 'paid')?.quota).toBe(7);
      expect(table.limit('general', 'gold')?.quota).toBe(9);
    }
  });

  it('makes a tier by naming it, with the default tier’s limits where it names none', () => {
    const table = new RateLimitTable('query.gold=99/60,general.paid=500/3600');
    expect(table.tiers()).toEqual(['free', 'paid', 'gold']);
    expect(table.isKnownTier('gold')).toBe(true);
    expect(table.limit('query', 'gold')?.quota).toBe(99);
    expect(table.limit('query', 'free')?.quota).toBe(10);
    expect(table.limit('general', 'gold')?.quota).toBe(500);
  });

  it('holds a tier that exists no more to the default tier', () => {
    const table = new RateLimitTable('general.paid=500/3600');
    for (const tier of ['gone', '', 'constructor', '__proto__']) {
      expect(table.isKnownTier(tier)).toBe(false);
      expect(table.limit('general', tier)?.quota).toBe(500);
    }
  });

  it('switches the address class on', () => {
    expect(new RateLimitTable('address=300/60').limit('address')).toEqual({ quota: 300, windowSeconds: 60 });
  });

  it.each([
    ['general', 'no limit'],
    ['general=10', 'no window'],
    ['general=0/60', 'a quota of nothing'],
    ['general=10/0', 'a window of nothing'],
    ['general=-1/60', 'a negative quota'],
    ['general=1.5/60', 'a fraction'],
    ['general=1e3/60', 'an exponent'],
    ['general=9999999999/60', 'a quota above 999,999,999'],
    ['general=1/100000000', 'a window above 99,999,999'],
    ['unknown=1/60', 'an unknown class'],
    ['general.Free=1/60', 'a capital letter'],
    ['general.=1/60', 'an empty tier'],
    ['general.a.b=1/60', 'a tier with a dot'],
    ['login.free=1/60', 'a tier on a class counted per address'],
    ['general=1/60,general=2/60', 'the same row twice'],
    ['general=1/60;query=1/60', 'another separator'],
    ['general=1/60\n', 'nothing wrong but a blank at the end', true],
  ])('%j has %s', (text, _why, valid = false) => {
    expect(isRateLimitsText(text)).toBe(valid);
    if (!valid) expect(() => new RateLimitTable(text)).toThrow(new RangeError('RATE_LIMITS is not valid.'));
  });
});
