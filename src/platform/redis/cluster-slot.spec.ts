import { slotOf } from './cluster-slot.js';
import { redisKey } from './redis-key.js';

describe('slotOf', () => {
  it.each([
    ['123456789', 12_739],
    ['foo', 12_182],
    ['', 0],
    ['cn:{c1}:credential', slotOf('c1')],
    ['{a}{b}', slotOf('a')],
    ['{}a', 10_875],
    ['a{', 14_311],
    ['{a', 10_276],
    ['schlüssel', 7_677],
  ])('of %j is what Redis says', (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });

  const ids = ['cn_live_0123456789aB', 'user 1', '2001:db8::/64', '192.0.2.1', 'ключ', 'a}b', '{', ''];

  it.each(ids)('is the same for every key about %j', (id) => {
    const { probe, ...about } = redisKey;
    const slots = Object.values(about).map((make) => slotOf((make as (...parts: string[]) => string)(id, 'general')));
    expect(slots.length).toBeGreaterThanOrEqual(3);
    if (id !== '') expect(new Set(slots).size).toBe(1);
    expect(probe('0')).toBe('cn:{0}:probe');
  });
});
