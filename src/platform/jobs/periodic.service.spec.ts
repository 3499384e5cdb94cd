import type { AdvisoryLockRepository } from './advisory-lock.repository.js';
import { PeriodicService } from './periodic.service.js';

const locksThat = (holds: () => Promise<boolean>) => ({ holds }) as unknown as AdvisoryLockRepository;
const alone = locksThat(async () => true);

/** Work that counts its runs and ends when told. */
function slowWork() {
  const ends: (() => void)[] = [];
  return {
    runs: 0,
    work() {
      this.runs++;
      return new Promise<void>((resolve) => ends.push(resolve));
    },
    end: () => ends.shift()?.(),
  };
}

describe('PeriodicService', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('runs after each interval, and at once when asked', async () => {
    const service = new PeriodicService(alone);
    const later = jest.fn(async () => undefined);
    const now = jest.fn(async () => undefined);
    service.every('later', 1_000, later);
    service.every('now', 1_000, now, { immediately: true });
    expect([later.mock.calls.length, now.mock.calls.length]).toEqual([0, 1]);
    await jest.advanceTimersByTimeAsync(3_000);
    expect([later.mock.calls.length, now.mock.calls.length]).toEqual([3, 4]);
    await service.onModuleDestroy();
  });

  it('never runs the same work twice at once', async () => {
    const service = new PeriodicService(alone);
    const slow = slowWork();
    service.every('slow', 100, () => slow.work());
    await jest.advanceTimersByTimeAsync(1_000);
    expect(slow.runs).toBe(1);
    slow.end();
    await jest.advanceTimersByTimeAsync(100);
    expect(slow.runs).toBe(2);
    slow.end();
    await service.onModuleDestroy();
  });

  it('goes on after an error, thrown or rejected', async () => {
    const service = new PeriodicService(alone);
    let runs = 0;
    service.every('failing', 100, () => {
      runs++;
      if (runs === 1) throw new Error('thrown');
      return Promise.reject(new Error('rejected'));
    });
    await jest.advanceTimersByTimeAsync(300);
    expect(runs).toBe(3);
    await service.onModuleDestroy();
  });

  it('runs work marked once only while this process holds its lock', async () => {
    let held = false;
    const asked: string[] = [];
    const locks = { holds: async (name: string) => asked.push(name) > 0 && held } as unknown as AdvisoryLockRepository;
    const service = new PeriodicService(locks);
    const work = jest.fn(async () => undefined);
    service.every('only-one', 100, work, { once: true });
    await jest.advanceTimersByTimeAsync(200);
    expect(work).not.toHaveBeenCalled();
    held = true;
    await jest.advanceTimersByTimeAsync(200);
    expect(work).toHaveBeenCalledTimes(2);
    expect(new Set(asked)).toEqual(new Set(['only-one']));
    await service.onModuleDestroy();
  });

  it('runs nothing when the lock cannot be asked for', async () => {
    const service = new PeriodicService(locksThat(() => Promise.reject(new Error('PostgreSQL is away'))));
    const work = jest.fn(async () => undefined);
    service.every('only-one', 100, work, { once: true });
    await jest.advanceTimersByTimeAsync(300);
    expect(work).not.toHaveBeenCalled();
    await service.onModuleDestroy();
  });

  it('waits for running work when it stops, and starts none after that', async () => {
    const service = new PeriodicService(alone);
    const slow = slowWork();
    service.every('slow', 100, () => slow.work());
    await jest.advanceTimersByTimeAsync(100);
    let stopped = false;
    const stopping = service.onModuleDestroy().then(() => {
      stopped = true;
    });
    await jest.advanceTimersByTimeAsync(1_000);
    expect(stopped).toBe(false);
    slow.end();
    await stopping;
    await jest.advanceTimersByTimeAsync(1_000);
    expect(slow.runs).toBe(1);
  });

  it('does not wait longer than five seconds', async () => {
    const service = new PeriodicService(alone);
    service.every('endless', 100, () => new Promise(() => undefined));
    await jest.advanceTimersByTimeAsync(100);
    const stopping = service.onModuleDestroy();
    await jest.advanceTimersByTimeAsync(5_000);
    await expect(stopping).resolves.toBeUndefined();
  });
});
