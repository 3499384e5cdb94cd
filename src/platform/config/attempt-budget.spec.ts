import { isAttemptBudget, readAttemptBudget } from './attempt-budget.js';

describe('a budget of attempts', () => {
  it.each(['10/60', '1/1', '999999/99999'])('may be %s', (text) => {
    expect(isAttemptBudget(text)).toBe(true);
    const [attempts, seconds] = text.split('/').map(Number);
    expect(readAttemptBudget(text)).toEqual({ attempts, seconds });
  });

  it('may be off', () => {
    expect(isAttemptBudget('off')).toBe(true);
    expect(readAttemptBudget('off')).toBeNull();
  });

  it.each(['', '0/60', '10/0', '10', '10/60/1', '-1/60', '1.5/60', ' 10/60', '1000000/60', '10/100000', 'on'])(
    'may not be %j',
    (text) => {
      expect(isAttemptBudget(text)).toBe(false);
    },
  );
});
