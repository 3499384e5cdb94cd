import { InvalidSettingsError } from '../../platform/config/load-settings.js';
import type { PeriodicService } from '../../platform/jobs/periodic.service.js';
import type { ChangeFeed } from '../../platform/replicas/change-feed.service.js';
import type { SigningKeyRotation } from './signing-key-rotation.js';
import { SigningKeySchedule } from './signing-key-schedule.js';
import type { SigningKeys } from './signing-keys.service.js';

const AWAY = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });

function build({ load = async () => undefined, unreadable = 0, isEmpty = false } = {}) {
  const keys = { load: jest.fn(load), unreadable: { size: unreadable }, isEmpty };
  const rotation = { rotate: jest.fn(async () => undefined) };
  const heard: { change?: () => Promise<void>; resync?: () => Promise<void> } = {};
  const jobs: [string, () => Promise<unknown>][] = [];
  const feed = {
    on: (_topic: string, apply: () => Promise<void>) => Object.assign(heard, { change: apply }),
    onResync: (reload: () => Promise<void>) => Object.assign(heard, { resync: reload }),
  };
  const periodic = { every: (name: string, _ms: number, work: () => Promise<unknown>) => jobs.push([name, work]) };
  const schedule = new SigningKeySchedule(
    keys as unknown as SigningKeys,
    rotation as unknown as SigningKeyRotation,
    feed as unknown as ChangeFeed,
    periodic as unknown as PeriodicService,
  );
  schedule.onModuleInit();
  return { schedule, keys, rotation, heard, jobs };
}

describe('SigningKeySchedule', () => {
  it('reads the keys at start, and makes the first where there is none', async () => {
    const { schedule, keys, rotation } = build();
    await schedule.onApplicationBootstrap();
    expect(keys.load).toHaveBeenCalledTimes(1);
    expect(rotation.rotate).not.toHaveBeenCalled();
    const empty = build({ isEmpty: true });
    await empty.schedule.onApplicationBootstrap();
    expect(empty.rotation.rotate).toHaveBeenCalledTimes(1);
    expect(empty.keys.load).toHaveBeenCalledTimes(2);
  });

  it('starts without PostgreSQL, and not with what else is wrong', async () => {
    await expect(
      build({ load: () => Promise.reject(AWAY) }).schedule.onApplicationBootstrap(),
    ).resolves.toBeUndefined();
    const broken = build({ load: () => Promise.reject(new Error('bug')) });
    await expect(broken.schedule.onApplicationBootstrap()).rejects.toThrow('bug');
    const { schedule, rotation } = build({ unreadable: 1, isEmpty: true });
    await expect(schedule.onApplicationBootstrap()).rejects.toThrow(InvalidSettingsError);
    expect(rotation.rotate).not.toHaveBeenCalled();
  });

  it('reads them again when they changed or may have, and looks by itself', async () => {
    const { schedule, keys, rotation, heard, jobs } = build();
    await heard.change?.();
    await heard.resync?.();
    expect(keys.load).toHaveBeenCalledTimes(2);
    await schedule.onApplicationBootstrap();
    const [[name, work] = ['', async () => undefined]] = jobs;
    expect(name).toBe('rotate-signing-keys');
    await work();
    expect(rotation.rotate).toHaveBeenCalledTimes(1);
  });
});
