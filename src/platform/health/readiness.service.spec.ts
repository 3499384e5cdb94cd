import { ReadinessService } from './readiness.service.js';

describe('ReadinessService', () => {
  const build = () => new ReadinessService();

  it('is not ready before its warm-up and ready after it', async () => {
    const readiness = build();
    expect(await readiness.report()).toEqual({ status: 'not_ready', checks: { process: 'warming_up' } });
    readiness.setWarm();
    expect(await readiness.report()).toEqual({ status: 'ready', checks: { process: 'serving' } });
  });

  it('is not ready once it drains, whatever else is said', async () => {
    const readiness = build();
    readiness.setWarm();
    readiness.drain();
    readiness.setWarm();
    expect(readiness.draining).toBe(true);
    expect(await readiness.report()).toEqual({ status: 'not_ready', checks: { process: 'draining' } });
  });

  it.each([
    ['up', false, 'ready'],
    ['off', false, 'ready'],
    ['degraded', false, 'degraded'],
    ['down', false, 'degraded'],
    ['degraded', true, 'degraded'],
    ['down', true, 'not_ready'],
  ] as const)('with a check that is %s (essential: %s) is %s', async (state, essential, status) => {
    const readiness = build();
    readiness.register('redis', () => state, { essential });
    readiness.setWarm();
    expect(await readiness.report()).toEqual({ status, checks: { process: 'serving', redis: state } });
  });

  it('takes a check that throws, or never answers, for down', async () => {
    const readiness = build();
    readiness.register('throws', () => {
      throw new Error('x');
    });
    readiness.register('rejects', () => Promise.reject(new Error('x')));
    readiness.register('hangs', () => new Promise(() => undefined));
    readiness.setWarm();
    const started = performance.now();
    expect((await readiness.report()).checks).toEqual({
      process: 'serving',
      throws: 'down',
      rejects: 'down',
      hangs: 'down',
    });
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  it('looks once for many who ask', async () => {
    const readiness = build();
    let looked = 0;
    readiness.register('postgresql', () => {
      looked += 1;
      return 'up';
    });
    readiness.setWarm();
    await Promise.all(Array.from({ length: 50 }, () => readiness.report()));
    await readiness.report();
    expect(looked).toBe(1);
  });
});
