import { guessShares } from './guess-shares.js';

describe('guessShares', () => {
  it('keeps a fifth for known devices, and half of that for each', () => {
    expect(guessShares(100)).toEqual({ strangers: 80, known: 20, device: 10 });
    expect(guessShares(5)).toEqual({ strangers: 4, known: 1, device: 1 });
  });

  it.each(Array.from({ length: 60 }, (_, index) => index + 5))('divides %i and no more', (perDay) => {
    const { strangers, known, device } = guessShares(perDay);
    expect(strangers + known).toBe(perDay);
    expect(strangers).toBeGreaterThan(known);
    expect(device).toBeGreaterThan(0);
    expect(device).toBeLessThanOrEqual(known);
  });
});
