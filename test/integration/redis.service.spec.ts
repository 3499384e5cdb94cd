import { performance } from 'node:perf_hooks';
import type { Redis } from 'ioredis';
import { Clock } from '../../src/kernel/clock.js';
import { RedisService, RedisUnavailableError } from '../../src/platform/redis/redis.service.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { RedisServer } from '../support/redis-server.js';
import { redisShape } from '../support/redis-shape.js';

const BOUND_MS = 200;
/** What a busy machine may add to a timer. */
const SLACK_MS = 150;
const ECHO_SCRIPT = { name: 'testEcho', keys: 1, lua: "redis.call('INCR', KEYS[1]) return {KEYS[1], ARGV[1]}" };

describe('RedisService', () => {
  let server: RedisServer;
  let service: RedisService;
  /** A connection for meddling, past the code under test. */
  let client: Redis;

  beforeEach(async () => {
    server = await RedisServer.start();
    service = new RedisService(buildSettings({ REDIS_URL: server.url }), new Clock());
    service.defineScript(ECHO_SCRIPT);
    await service.onModuleInit();
    client = server.connect();
  });

  afterEach(async () => {
    await service.onApplicationShutdown();
    client.disconnect();
    await server.stop();
  });

  async function refusal(): Promise<number> {
    const start = performance.now();
    await expect(service.run(ECHO_SCRIPT, ['k'], ['v'])).rejects.toThrow(RedisUnavailableError);
    return performance.now() - start;
  }

  it('runs a script with its keys and arguments', async () => {
    expect(service.usable).toBe(true);
    await expect(service.run(ECHO_SCRIPT, ['k'], ['v'])).resolves.toEqual(['k', 'v']);
  });

  it('runs a script that Redis has forgotten, however many callers find out at once', async () => {
    await service.run(ECHO_SCRIPT, ['count'], ['v']);
    await client.script('FLUSH');
    const calls = Array.from({ length: 50 }, () => service.run(ECHO_SCRIPT, ['count'], ['v']));
    await expect(Promise.all(calls)).resolves.toEqual(Array.from({ length: 50 }, () => ['count', 'v']));
    await expect(service.get('count')).resolves.toBe('51');
    expect(service.stats).toEqual({ opened: 0, timeouts: 0, failures: 0 });
  });

  describe('behind a fence', () => {
    const fence = { key: '{c1}:fence', stamp: 'c1|7|', ttlMs: 60_000 };
    const runFenced = () => service.runFenced(ECHO_SCRIPT, fence, ['{c1}:count'], ['v']);
    const put = (name: string, ...args: string[]) => client.call(name, ...args);

    it('runs while the value begins with the stamp, slides the expiry, and sees only its own keys', async () => {
      await put('set', fence.key, 'c1|7|rest', 'PX', '1000');
      await expect(runFenced()).resolves.toEqual({ held: true, result: ['{c1}:count', 'v'] });
      expect(Number(await put('pttl', fence.key))).toBeGreaterThan(50_000);
    });

    it.each([
      ['nothing', null],
      ['another stamp', ['set', fence.key, 'c1|8|rest']],
      ['the beginning of the stamp only', ['set', fence.key, 'c1|7']],
      ['an empty value', ['set', fence.key, '']],
      ['a list', ['rpush', fence.key, 'c1|7|']],
      ['a hash', ['hset', fence.key, 'c1|7|', 'x']],
    ])('does nothing where there is %s', async (_what, command) => {
      if (command !== null) await put(...(command as [string, ...string[]]));
      await expect(runFenced()).resolves.toEqual({ held: false });
      await expect(service.get('{c1}:count')).resolves.toBeNull();
    });
  });

  it('reads a key of the wrong type as absent and goes on', async () => {
    await client.rpush('list', 'x');
    await expect(service.get('list')).resolves.toBeNull();
    expect(service.usable).toBe(true);
  });

  it('refuses at once after a crash, and is back by itself', async () => {
    await server.kill();
    await eventually(() => !service.usable);
    expect(await refusal()).toBeLessThan(SLACK_MS);
    let recovered = 0;
    service.onRecovered(() => {
      recovered += 1;
    });
    await server.restart();
    await eventually(() => service.state === 'up', 5_000);
    await expect(service.run(ECHO_SCRIPT, ['k'], ['v'])).resolves.toEqual(['k', 'v']);
    expect(recovered).toBe(redisShape() === 'cluster' ? 3 : 1);
  });

  it('waits 200 ms at most for a server that does not answer, then not at all, and is back by itself', async () => {
    server.pause();
    for (let call = 0; call < 2; call++) expect(await refusal()).toBeLessThan(BOUND_MS + SLACK_MS);
    expect(service.state).not.toBe('up');
    expect(await refusal()).toBeLessThan(SLACK_MS);
    server.resume();
    await eventually(() => service.state === 'up', 5_000);
  });

  it('holds 500 calls at once to the same bound, and takes their time-outs for one', async () => {
    server.pause();
    const start = performance.now();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 500 }, () => service.run(ECHO_SCRIPT, ['k'], ['v'])),
    );
    expect(performance.now() - start).toBeLessThan(BOUND_MS + SLACK_MS);
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    server.resume();
    expect(service.stats).toMatchObject({ opened: 0, timeouts: 500 });
    await eventually(() => service.run(ECHO_SCRIPT, ['k'], ['v']).then(() => true));
    expect(service.stats.opened).toBe(0);
  });
});

describe('RedisService without a server', () => {
  it('starts within a second and a half where nothing listens', async () => {
    const gone = await RedisServer.start();
    await gone.kill();
    const service = new RedisService(buildSettings({ REDIS_URL: gone.url }), new Clock());
    const start = performance.now();
    await service.onModuleInit();
    expect(performance.now() - start).toBeLessThan(1_500);
    expect(service.usable).toBe(false);
    await service.onApplicationShutdown();
  });

  it('starts within a second and a half where nothing answers', async () => {
    const frozen = await RedisServer.start();
    frozen.pause();
    const service = new RedisService(buildSettings({ REDIS_URL: frozen.url }), new Clock());
    const start = performance.now();
    await service.onModuleInit();
    expect(performance.now() - start).toBeLessThan(1_500);
    expect(service.usable).toBe(false);
    frozen.resume();
    await eventually(() => service.usable, 5_000);
    await service.onApplicationShutdown();
    await frozen.stop();
  });

  it('is not usable where none is configured', async () => {
    const service = new RedisService(buildSettings(), new Clock());
    service.defineScript(ECHO_SCRIPT);
    await service.onModuleInit();
    expect(service.configured).toBe(false);
    expect(service.usable).toBe(false);
    await expect(service.run(ECHO_SCRIPT, ['k'], ['v'])).rejects.toThrow(RedisUnavailableError);
    await service.onApplicationShutdown();
  });
});
