import { readPolicy, type StoredPolicy } from './stored-policy.js';

const SOURCE = { type: 'default' } as const;
const WINDOW = { quota: 10, window_seconds: 60 };

function buildRow(overrides: Partial<StoredPolicy> = {}): StoredPolicy {
  return { rateClass: 'general', windows: [WINDOW], concurrent: null, cost: 1, mode: 'enforce', ...overrides };
}

describe('readPolicy', () => {
  it('reads a row of buckets', () => {
    expect(readPolicy(buildRow({ cost: 2 }), SOURCE)).toEqual({
      rateClass: 'general',
      windows: [{ quota: 10, windowSeconds: 60, mode: 'enforce' }],
      concurrent: null,
      cost: 2,
      mode: 'enforce',
      source: SOURCE,
    });
  });

  it('reads a row of streams', () => {
    const row = buildRow({ rateClass: 'streams', windows: [], concurrent: 5 });
    expect(readPolicy(row, SOURCE)).toMatchObject({ rateClass: 'streams', windows: [], concurrent: 5 });
  });

  it('takes no window for no limit', () => {
    expect(readPolicy(buildRow({ windows: [] }), SOURCE)?.windows).toEqual([]);
  });

  it.each([
    ['enforce', undefined, 'enforce'],
    ['enforce', 'shadow', 'shadow'],
    ['shadow', 'enforce', 'shadow'],
    ['shadow', undefined, 'shadow'],
  ])('in mode %s with a window in mode %s holds it in mode %s', (mode, own, expected) => {
    const windows = [{ ...WINDOW, ...(own !== undefined && { mode: own }) }];
    expect(readPolicy(buildRow({ mode, windows }), SOURCE)?.windows[0]?.mode).toBe(expected);
  });

  it.each<[string, Partial<StoredPolicy>]>([
    ['an unknown class', { rateClass: 'everything' }],
    ['a class that is no text', { rateClass: null }],
    ['a cost of none', { cost: 0 }],
    ['a cost in parts', { cost: 1.5 }],
    ['a cost too large', { cost: 1_000_001 }],
    ['an unknown mode', { mode: 'off' }],
    ['windows that are no list', { windows: { quota: 1 } }],
    ['a window that is none', { windows: [7] }],
    ['a window that is null', { windows: [null] }],
    ['a window without a quota', { windows: [{ window_seconds: 60 }] }],
    ['a quota too large', { windows: [{ quota: 1e9, window_seconds: 60 }] }],
    ['a window of no time', { windows: [{ quota: 10, window_seconds: 0 }] }],
    ['a window too long', { windows: [{ quota: 10, window_seconds: 1e8 }] }],
    ['an unknown mode of a window', { windows: [{ ...WINDOW, mode: 'off' }] }],
    ['a quota below the cost', { cost: 11 }],
    ['the same window twice', { windows: [WINDOW, { ...WINDOW, quota: 5 }] }],
    ['five windows', { windows: [1, 2, 3, 4, 5].map((window_seconds) => ({ quota: 10, window_seconds })) }],
    ['buckets and a number at once', { concurrent: 3 }],
    ['streams without a number', { rateClass: 'streams', windows: [] }],
    ['streams with windows', { rateClass: 'streams', concurrent: 3 }],
    ['too many streams', { rateClass: 'streams', windows: [], concurrent: 1_000_001 }],
  ])('passes over a row with %s', (_what, wrong) => {
    expect(readPolicy(buildRow(wrong), SOURCE)).toBeNull();
  });
});
