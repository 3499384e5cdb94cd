import { LocalBudgets } from './local-budgets.js';

const WINDOW = 60_000;
const UNIT = WINDOW / 7;

function takeAll(budgets: LocalBudgets, now: number, subject = 'a'): number {
  for (let taken = 0; ; taken += 1) if (!budgets.take(subject, UNIT, WINDOW, now).taken) return taken;
}

describe('LocalBudgets', () => {
  it('holds what it says, refills evenly, and never holds more', () => {
    const budgets = new LocalBudgets();
    expect(takeAll(budgets, 0)).toBe(7);
    expect(budgets.take('a', UNIT, WINDOW, 0)).toEqual({ taken: false, fullInMs: expect.closeTo(WINDOW, 3) });
    expect(takeAll(budgets, UNIT - 1)).toBe(0);
    expect(takeAll(budgets, UNIT + 0.001)).toBe(1);
    expect(takeAll(budgets, 10 * WINDOW)).toBe(7);
  });

  it('keeps subjects apart', () => {
    const budgets = new LocalBudgets();
    takeAll(budgets, 0);
    expect(takeAll(budgets, 0, 'b')).toBe(7);
  });

  it('takes back, and never more than was taken', () => {
    const budgets = new LocalBudgets();
    budgets.giveBack('a', UNIT, 0);
    takeAll(budgets, 0);
    for (let back = 0; back < 20; back += 1) budgets.giveBack('a', UNIT, 0);
    expect(takeAll(budgets, 0)).toBe(7);
    budgets.giveBack('a', UNIT, 0);
    expect(takeAll(budgets, 0)).toBe(1);
  });

  it('goes on from what it is told', () => {
    const budgets = new LocalBudgets();
    budgets.note('a', WINDOW, 0);
    expect(takeAll(budgets, 0)).toBe(0);
    budgets.note('a', WINDOW - 2 * UNIT, 0);
    expect(takeAll(budgets, 0)).toBe(2);
    budgets.note('a', 100 * WINDOW, 0);
    expect(takeAll(budgets, WINDOW)).toBe(0);
  });
});
