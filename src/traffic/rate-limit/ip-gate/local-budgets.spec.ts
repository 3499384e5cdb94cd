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
    budgets.giveBack('a', UNIT, 'here');
    takeAll(budgets, 0);
    for (let back = 0; back < 20; back += 1) budgets.giveBack('a', UNIT, 'here');
    expect(takeAll(budgets, 0)).toBe(7);
    budgets.giveBack('a', UNIT, 'here');
    expect(takeAll(budgets, 0)).toBe(1);
  });

  it('is not filled up by a Redis that comes and goes', () => {
    const budgets = new LocalBudgets();
    budgets.note('a', UNIT, 0);
    expect(takeAll(budgets, 0)).toBe(6);
    for (let flap = 0; flap < 5; flap += 1) {
      budgets.note('a', 2 * UNIT, 0);
      budgets.giveBack('a', UNIT, 'shared');
      expect(takeAll(budgets, 0)).toBe(0);
    }
    budgets.giveBack('a', UNIT, 'here');
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
