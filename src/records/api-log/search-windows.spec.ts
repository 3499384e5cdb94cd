import fc from 'fast-check';
import { type SearchWindow, SearchWindows } from './search-windows.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 0, 31);

/** All windows of a search of which each takes so long, until its end or `most` of them. */
function walk(windows: SearchWindows, took: () => number, most = 1_000): SearchWindow[] {
  const seen: SearchWindow[] = [];
  while (!windows.done && seen.length < most) {
    seen.push(windows.next());
    windows.took(took());
  }
  return seen;
}

describe('SearchWindows', () => {
  it('begins with a minute, open towards what a wrong clock dated later', () => {
    expect(new SearchWindows(true, NOW, 0).next()).toEqual({ from: NOW - MINUTE_MS, to: null });
    expect(new SearchWindows(false, NOW, Number.POSITIVE_INFINITY).next()).toEqual({ from: null, to: NOW + MINUTE_MS });
  });

  it('is through a month in five quick steps, and ends open', () => {
    const seen = walk(new SearchWindows(true, NOW, NOW - 32 * DAY_MS), () => 1);
    expect(seen).toHaveLength(5);
    expect(seen.at(-1)?.from).toBeNull();
  });

  it('searches a single open window when the end is near', () => {
    const windows = new SearchWindows(true, NOW, NOW - 10);
    expect(windows.next()).toEqual({ from: null, to: null });
    expect(windows.done).toBe(true);
  });

  it.each([true, false])('leaves no moment out and takes none twice (descending: %s)', (descending) => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { minLength: 1, maxLength: 40 }), (times) => {
        let step = 0;
        const end = descending ? NOW - 30 * DAY_MS : NOW + 30 * DAY_MS;
        const seen = walk(new SearchWindows(descending, NOW, end), () => times[step++ % times.length] ?? 0);
        const near = (window: SearchWindow) => (descending ? window.to : window.from);
        const far = (window: SearchWindow) => (descending ? window.from : window.to);
        expect(seen.map(near)).toEqual([null, ...seen.slice(0, -1).map(far)]);
        for (const window of seen)
          if (window.from !== null && window.to !== null) expect(window.from).toBeLessThan(window.to);
      }),
    );
  });

  it('narrows when a window took long, and widens no more than sixteen times', () => {
    const windows = new SearchWindows(true, NOW, 0);
    const widthOf = () => {
      const before = windows.edge;
      windows.next();
      return before - windows.edge;
    };
    expect(widthOf()).toBe(MINUTE_MS);
    windows.took(0);
    expect(widthOf()).toBe(16 * MINUTE_MS);
    windows.took(1_000);
    expect(widthOf()).toBe(4 * MINUTE_MS);
    windows.took(10.75);
    expect(widthOf()).toBe(4 * MINUTE_MS);
  });

  it('takes a window back that was given up, and tries a sixteenth of what was left in it', () => {
    const windows = new SearchWindows(true, NOW, NOW - DAY_MS);
    windows.next();
    windows.took(0);
    windows.next();
    windows.took(0);
    const before = windows.edge;
    windows.next();
    windows.took(0);
    windows.next();
    expect(windows.done).toBe(true);
    windows.retreat();
    expect(windows.done).toBe(false);
    const { from, to } = windows.next();
    expect(to).toBeLessThan(before);
    expect(Number(to) - Number(from)).toBeLessThanOrEqual(Math.ceil(DAY_MS / 16));
  });
});
