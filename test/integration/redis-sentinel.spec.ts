import { Clock } from '../../src/kernel/clock.js';
import { RedisService, RedisUnavailableError } from '../../src/platform/redis/redis.service.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import type { RedisProcess } from '../support/redis-process.js';
import { SentinelSet } from '../support/redis-sentinel.js';

const COUNT_SCRIPT = { name: 'testCount', keys: 1, lua: "return redis.call('INCR', KEYS[1])" };
const FOLLOW_MS = 5_000;
const PASSWORDS = { server: 'p@ss-of-the-server', sentinel: 'p@ss-of-the-sentinels' };

let set: SentinelSet;
let service: RedisService;

const count = () => service.run(COUNT_SCRIPT, ['count'], []);

async function startService(env: Record<string, string>): Promise<RedisService> {
  const started = new RedisService(buildSettings(env), new Clock());
  started.defineScript(COUNT_SCRIPT);
  await started.onModuleInit();
  return started;
}

async function open(options: Parameters<typeof SentinelSet.start>[0], env: Record<string, string> = {}): Promise<void> {
  set = await SentinelSet.start(options);
  service = await startService({ REDIS_URL: set.url, ...env });
}

/** Callers that never pause, and what the last answer was at which moment. */
function traffic() {
  const seen = { answered: 0, lastAnswer: 0, stopped: false };
  const callers = Array.from({ length: 4 }, async () => {
    while (!seen.stopped)
      await count().then(
        () => {
          seen.answered += 1;
          seen.lastAnswer = performance.now();
        },
        () => new Promise((resolve) => setTimeout(resolve, 5)),
      );
  });
  return {
    seen,
    stop: async () => {
      seen.stopped = true;
      await Promise.all(callers);
    },
  };
}

async function electedOther(than: RedisProcess): Promise<number> {
  await eventually(async () => (await set.elected()) !== than.address, 20_000);
  return performance.now();
}

afterEach(async () => {
  await service?.onApplicationShutdown();
  await set?.stop();
});

describe('RedisService behind Sentinels', () => {
  it('asks the master that they name, with the passwords of both', async () => {
    await open({ passwords: PASSWORDS }, { REDIS_SENTINEL_PASSWORD: PASSWORDS.sentinel });
    expect([service.mode, service.state]).toEqual(['sentinel', 'up']);
    expect(await count()).toBe(1);
    const client = set.connect();
    expect(await client.get('count')).toBe('1');
    client.disconnect();
  });

  it.each([
    ['the Sentinels', { REDIS_SENTINEL_PASSWORD: 'canary' }],
    ['the server', { REDIS_SENTINEL_PASSWORD: PASSWORDS.sentinel, REDIS_PASSWORD: 'canary' }],
  ])('is away without a word of the password when that of %s is wrong', async (_whose, env) => {
    set = await SentinelSet.start({ passwords: PASSWORDS });
    const list = set.sentinels.map(({ address }) => address).join(',');
    const errors = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const warnings = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    service = await startService({
      REDIS_URL: `${list}/0`,
      REDIS_MODE: 'sentinel',
      REDIS_SENTINEL_MASTER: 'core-nest',
      ...env,
    });
    expect(service.state).toBe('down');
    await expect(count()).rejects.toThrow(RedisUnavailableError);
    expect([...errors.mock.calls, ...warnings.mock.calls]).toEqual([]);
  });

  it('follows a failover after the master was killed', async () => {
    await open({ sentinels: 3, downAfterMs: 500 });
    await set.becomesReadyToFailOver();
    const load = traffic();
    await eventually(() => load.seen.answered > 50);
    await set.master.kill();
    const elected = await electedOther(set.master);
    const before = load.seen.answered;
    await eventually(() => load.seen.answered > before + 50, FOLLOW_MS);
    expect(performance.now() - elected).toBeLessThan(FOLLOW_MS);
    await load.stop();
    expect(service.state).toBe('up');
  });

  it('leaves a master of before that still answers, when the Sentinels have elected another', async () => {
    await open({ sentinels: 3, downAfterMs: 500 });
    await set.becomesReadyToFailOver();
    // The Sentinels lose sight of the master, and cannot tell it that it was demoted; who is connected still can use it.
    set.master.pause();
    const elected = await electedOther(set.master);
    for (const sentinel of set.sentinels) sentinel.pause();
    set.master.resume();
    for (const sentinel of set.sentinels) sentinel.resume();
    const promoted = set.connectTo(set.replica);
    await eventually(async () => {
      await count().catch(() => undefined);
      return (await promoted.get('count')) !== null;
    }, FOLLOW_MS);
    expect(performance.now() - elected).toBeLessThan(2 * FOLLOW_MS);
    promoted.disconnect();
  });

  it('does not stay with a server that was demoted under it', async () => {
    await open({ sentinels: 1 });
    await count();
    const demoted = set.connectTo(set.master);
    await demoted.replicaof('127.0.0.1', set.replica.port);
    await eventually(async () => (await count().catch(() => null)) === null);
    expect(service.stats.opened).toBeGreaterThan(0);
    await demoted.replicaof('NO', 'ONE');
    await eventually(() => service.state === 'up', FOLLOW_MS);
    demoted.disconnect();
  });

  it('goes on while the Sentinels are away, and starts as soon as one is there', async () => {
    await open({ sentinels: 3 });
    for (const sentinel of set.sentinels) await sentinel.kill();
    expect(await count()).toBe(1);
    const late = await startService({ REDIS_URL: set.url });
    expect(late.state).toBe('down');
    await set.sentinels[2]?.restart();
    await eventually(() => late.state === 'up', FOLLOW_MS);
    await late.onApplicationShutdown();
  });
});
