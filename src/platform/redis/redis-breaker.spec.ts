import { RedisBreaker } from './redis-breaker.js';

describe('RedisBreaker', () => {
  let now = 0;
  let breaker: RedisBreaker;
  beforeEach(() => {
    now = 1_000_000;
    breaker = new RedisBreaker(() => now);
  });

  it('is open until the first probe was answered', () => {
    expect(breaker.closed).toBe(false);
    breaker.probeAnswered();
    expect(breaker.closed).toBe(true);
  });

  it('takes two time-outs in a row to open, and an answer between them to start over', () => {
    breaker.probeAnswered();
    expect(breaker.timedOut()).toBe(false);
    breaker.answered();
    expect(breaker.timedOut()).toBe(false);
    expect(breaker.timedOut()).toBe(true);
    expect(breaker.closed).toBe(false);
  });

  it('opens at once when the connection is gone, and says so once', () => {
    breaker.probeAnswered();
    expect(breaker.open()).toBe(true);
    expect(breaker.open()).toBe(false);
    expect(breaker.timedOut()).toBe(false);
  });

  it('counts the probes that failed since it opened', () => {
    breaker.probeAnswered();
    breaker.open();
    breaker.probeFailed();
    breaker.probeFailed();
    expect(breaker.failedProbes).toBe(2);
    breaker.probeAnswered();
    expect(breaker.failedProbes).toBe(0);
  });

  it('probes less eagerly, up to two seconds, while repairs do not hold', () => {
    const delays = Array.from({ length: 6 }, () => {
      breaker.probeAnswered();
      now += 500;
      breaker.open();
      return breaker.probeDelayMs();
    });
    expect(delays).toEqual([500, 1000, 2000, 2000, 2000, 2000]);
    breaker.probeAnswered();
    now += 6_000;
    breaker.open();
    expect(breaker.probeDelayMs()).toBe(250);
  });
});
