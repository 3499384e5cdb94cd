import { AdvisoryLockRepository } from '../../src/platform/jobs/advisory-lock.repository.js';
import { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';

describe('PeriodicService over PostgreSQL', () => {
  let database: TestDatabase;
  const stops: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    database = await createEmptyDatabase();
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });
  afterAll(async () => {
    await database.drop();
  });

  /** A replica with one job that counts its runs. */
  function startReplica(name: string, url = database.url) {
    const locks = new AdvisoryLockRepository(buildSettings({ DATABASE_URL: url }));
    const service = new PeriodicService(locks);
    const replica = {
      runs: 0,
      async stop() {
        await service.onModuleDestroy();
        locks.onApplicationShutdown();
      },
    };
    service.every(name, 20, async () => replica.runs++, { once: true, immediately: true });
    stops.push(() => replica.stop());
    return replica;
  }

  it('lets one of two replicas run, and the other one once that stopped', async () => {
    const first = startReplica('handed-over');
    await eventually(() => first.runs > 0);
    const second = startReplica('handed-over');
    const before = first.runs;
    await eventually(() => first.runs > before + 10);
    expect(second.runs).toBe(0);
    await first.stop();
    await eventually(() => second.runs > 0);
  });

  it('hands over when the connection of the one breaks', async () => {
    const proxy = await TcpProxy.start(database.url);
    stops.push(() => proxy.stop());
    const first = startReplica('broken', proxy.through(database.url));
    await eventually(() => first.runs > 0);
    const second = startReplica('broken');
    await proxy.refuse();
    await eventually(() => second.runs > 0);
    const stood = first.runs;
    const before = second.runs;
    await eventually(() => second.runs > before + 5);
    expect(first.runs).toBe(stood);
    await proxy.heal();
    await second.stop();
    await eventually(() => first.runs > stood);
  });

  it('keeps locks of different names apart', async () => {
    const first = startReplica('one-name');
    await eventually(() => first.runs > 0);
    const second = startReplica('another-name');
    await eventually(() => second.runs > 0);
  });
});
