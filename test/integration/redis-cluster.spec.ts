import type { Redis } from 'ioredis';
import { Clock } from '../../src/kernel/clock.js';
import { slotOf } from '../../src/platform/redis/cluster-slot.js';
import { RedisService, RedisUnavailableError } from '../../src/platform/redis/redis.service.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { RedisCluster } from '../support/redis-cluster.js';
import type { RedisProcess } from '../support/redis-process.js';

const COUNT_SCRIPT = { name: 'testCount', keys: 1, lua: "return redis.call('INCR', KEYS[1])" };
/** Calls under way at once, over as many keys: all masters get some. */
const KEYS = Array.from({ length: 60 }, (_, index) => `cn:{client${index}}:count`);

let cluster: RedisCluster;
let service: RedisService;
let client: Redis;

async function startService(url: string, env: Record<string, string> = {}): Promise<RedisService> {
  const started = new RedisService(buildSettings({ REDIS_URL: url, ...env }), new Clock());
  started.defineScript(COUNT_SCRIPT);
  await started.onModuleInit();
  return started;
}

const count = (key: string) => service.run(COUNT_SCRIPT, [key], []);
const outcomes = () =>
  Promise.all(
    KEYS.map((key) =>
      count(key).then(
        () => 'answered',
        (error: unknown) => (error instanceof RedisUnavailableError ? 'refused' : String(error)),
      ),
    ),
  );
const allAnswered = async () => (await outcomes()).every((outcome) => outcome === 'answered');
/** The keys of a master, by the slots it had at the start. */
const keysOf = (master: RedisProcess) => KEYS.filter((key) => cluster.masterOf(slotOf(key)) === master);

async function open(options: Parameters<typeof RedisCluster.start>[0]): Promise<void> {
  cluster = await RedisCluster.start(options);
  service = await startService(cluster.url);
  client = cluster.connect();
}

async function close(): Promise<void> {
  client?.disconnect();
  await service?.onApplicationShutdown();
  await cluster?.stop();
}

describe('RedisService on a Cluster', () => {
  beforeAll(() => open({}));
  afterAll(close);

  it('knows the slot of a key as the Cluster does', async () => {
    const node = cluster.connectTo(cluster.masters[0] as RedisProcess);
    for (const key of [...KEYS, 'plain', '{', '{}x', 'a{b}c{d}', 'ключ'])
      expect([key, slotOf(key)]).toEqual([key, await node.cluster('KEYSLOT', key)]);
    node.disconnect();
  });

  it('finds every master from any one of them, and asks each for its own keys', async () => {
    for (const master of cluster.masters) {
      const other = await startService(`redis+cluster://${master.address}`);
      expect(other.state).toBe('up');
      expect(await Promise.all(KEYS.map((key) => other.run(COUNT_SCRIPT, [key], [])))).toHaveLength(KEYS.length);
      await other.onApplicationShutdown();
    }
    expect(new Set(KEYS.map((key) => cluster.masterOf(slotOf(key)).port)).size).toBe(3);
  });

  it('takes a plain list, of which one does not answer', async () => {
    const list = `127.0.0.1:1,${cluster.masters[1]?.address}`;
    const other = await startService(list, { REDIS_MODE: 'cluster' });
    expect([other.mode, other.state]).toEqual(['cluster', 'up']);
    await other.onApplicationShutdown();
  });

  it('runs scripts that a master has forgotten', async () => {
    await client.script('FLUSH');
    expect(await allAnswered()).toBe(true);
    expect(service.stats).toEqual({ opened: 0, timeouts: 0, failures: 0 });
  });

  it('follows keys and slots that are moved under load, and never counts one twice', async () => {
    const key = 'cn:{moving}:count';
    const slot = String(slotOf(key));
    const from = cluster.masterOf(Number(slot));
    const to = cluster.masters.find((master) => master !== from) as RedisProcess;
    const [source, target] = [cluster.connectTo(from), cluster.connectTo(to)];
    const [sourceId, targetId] = [await source.cluster('MYID'), await target.cluster('MYID')];
    let answered = 0;
    let refused = 0;
    let moved = false;
    const load = (async () => {
      while (!moved)
        await count(key).then(
          () => {
            answered += 1;
          },
          () => {
            refused += 1;
          },
        );
    })();
    await target.cluster('SETSLOT', slot, 'IMPORTING', sourceId);
    await source.cluster('SETSLOT', slot, 'MIGRATING', targetId);
    await eventually(() => answered > 20);
    await source.migrate('127.0.0.1', to.port, key, 0, 1_000);
    const asked = answered;
    await eventually(() => answered > asked + 20);
    await target.script('FLUSH');
    const forgotten = answered;
    await eventually(() => answered > forgotten + 20);
    for (const node of [target, source]) await node.cluster('SETSLOT', slot, 'NODE', targetId);
    const settled = answered;
    await eventually(() => answered > settled + 20);
    moved = true;
    await load;
    expect(await service.get(key)).toBe(String(answered));
    expect(refused).toBe(0);
    expect(service.stats).toMatchObject({ opened: 0, timeouts: 0 });
    source.disconnect();
    target.disconnect();
  });

  it('loses the slots of a frozen master alone, and says so, until it answers again', async () => {
    const [frozen, ...others] = cluster.masters as [RedisProcess, ...RedisProcess[]];
    frozen.pause();
    await eventually(async () => (await outcomes()).includes('refused') && service.state === 'degraded');
    expect(service.usable).toBe(true);
    const { timeouts } = service.stats;
    await Promise.all(keysOf(frozen).map((key) => expect(count(key)).rejects.toThrow(RedisUnavailableError)));
    expect(service.stats.timeouts).toBe(timeouts);
    await Promise.all(others.flatMap(keysOf).map((key) => count(key)));
    frozen.resume();
    await eventually(() => service.state === 'up', 5_000);
    expect(await allAnswered()).toBe(true);
  });

  it('notices that all are silent when one is, and is back with all of them', async () => {
    cluster.pause();
    for (let call = 0; call < 2; call += 1)
      await expect(count(KEYS[0] as string)).rejects.toThrow(RedisUnavailableError);
    await eventually(() => service.state === 'down', 1_000);
    let recovered = 0;
    service.onRecovered(() => {
      recovered += 1;
    });
    cluster.resume();
    await eventually(() => service.state === 'up', 5_000);
    expect(recovered).toBe(3);
    expect(await allAnswered()).toBe(true);
  });
});

describe('RedisService on a Cluster with replicas', () => {
  beforeAll(() => open({ replicas: 1, nodeTimeoutMs: 1_000 }));
  afterAll(close);

  it('follows within five seconds when a replica takes over from a killed master', async () => {
    const [killed] = cluster.masters as [RedisProcess];
    const watched = cluster.connectTo(cluster.masters[1] as RedisProcess);
    await eventually(async () => {
      const slots = await watched.cluster('SLOTS');
      return slots.length === 3 && slots.every((range) => range.length === 4);
    }, 10_000);
    const load = { stopped: false };
    const callers = KEYS.slice(0, 20).map(async (key) => {
      while (!load.stopped) await count(key).catch(() => new Promise((resolve) => setTimeout(resolve, 5)));
    });
    await killed.kill();
    await eventually(async () => {
      const slots = await watched.cluster('SLOTS');
      return slots.length === 3 && slots.every(([, , master]) => master?.[1] !== killed.port);
    }, 20_000);
    const elected = performance.now();
    await eventually(() => service.state === 'up' && service.usable, 5_000);
    expect(await allAnswered()).toBe(true);
    expect(performance.now() - elected).toBeLessThan(5_000);
    load.stopped = true;
    await Promise.all(callers);
    watched.disconnect();
  });
});
