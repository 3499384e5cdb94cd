import { Clock } from '../../src/kernel/clock.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import {
  BudgetSpentError,
  FailureBudget,
  type Reservation,
} from '../../src/traffic/rate-limit/ip-gate/failure-budget.js';
import { DECIDE_ATTEMPT, TAKE_ATTEMPT } from '../../src/traffic/rate-limit/ip-gate/failure-budget.script.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { buildRegistry } from '../support/rate-limit-fakes.js';
import { RedisServer } from '../support/redis-server.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

const SOURCE = '203.0.113.7';
const KEY = redisKey.bucket(SOURCE, 'test_failures');

interface Replica {
  readonly redis: RedisService;
  budget(attempts: number, seconds: number): FailureBudget;
}

async function startReplica(url: string, live = 1): Promise<Replica> {
  const redis = new RedisService(buildSettings({ REDIS_URL: url }), new Clock());
  for (const script of [TAKE_ATTEMPT, DECIDE_ATTEMPT]) redis.defineScript(script);
  await redis.onModuleInit();
  return {
    redis,
    budget: (attempts, seconds) =>
      new FailureBudget('test_failures', { attempts, seconds }, redis, buildRegistry(live)),
  };
}

/** Asks so many times at once, of one budget after the other. */
function reserveAtOnce(count: number, ...budgets: FailureBudget[]): Promise<(Reservation | BudgetSpentError)[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const budget = budgets[index % budgets.length] as FailureBudget;
      try {
        return await budget.reserve(SOURCE);
      } catch (error) {
        if (error instanceof BudgetSpentError) return error;
        throw error;
      }
    }),
  );
}

const taken = (outcomes: readonly (Reservation | BudgetSpentError)[]): Reservation[] =>
  outcomes.filter((each): each is Reservation => !(each instanceof BudgetSpentError));

describe('FailureBudget on a Redis that replicas share', () => {
  let redis: TestRedis;
  let replicas: Replica[];
  const budgets = (attempts: number, seconds: number) => replicas.map((replica) => replica.budget(attempts, seconds));

  beforeAll(async () => {
    redis = await createTestRedis();
    replicas = await Promise.all([startReplica(redis.url), startReplica(redis.url), startReplica(redis.url)]);
    await eventually(() => replicas.every((replica) => replica.redis.state === 'up'), 20_000);
  });
  afterEach(() => redis.client.flushdb());
  afterAll(async () => {
    for (const replica of replicas) await replica.redis.onApplicationShutdown();
    await redis.drop();
  });

  /** Settles each as soon as it is taken, as a request does, so that nobody waits in vain. */
  async function fail(count: number, ...of: FailureBudget[]): Promise<number> {
    const outcomes = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const outcome = await (of[index % of.length] as FailureBudget).reserve(SOURCE).catch((error: unknown) => error);
        if (!(outcome instanceof BudgetSpentError)) (outcome as Reservation).keepSpent();
        return outcome as Reservation | BudgetSpentError;
      }),
    );
    return taken(outcomes).length;
  }

  it.each([1, 7, 50])('lets exactly %d of five hundred at once over three replicas fail', async (attempts) => {
    expect(await fail(500, ...budgets(attempts, 3600))).toBe(attempts);
    expect(await fail(20, ...budgets(attempts, 3600))).toBe(0);
  });

  it('says how long until there is one, and has it then', async () => {
    const [budget] = budgets(2, 2) as [FailureBudget];
    expect(await fail(2, budget)).toBe(2);
    const [refused] = (await reserveAtOnce(1, budget)) as [BudgetSpentError];
    expect(refused.retryAfterSeconds).toBe(1);
    const since = performance.now();
    await eventually(async () => (await fail(1, budget)) === 1);
    expect(performance.now() - since).toBeGreaterThan(700);
    expect(await fail(1, budget)).toBe(0);
  });

  it('costs nothing when all were right, however many at once', async () => {
    const [budget] = budgets(5, 3600) as [FailureBudget];
    const right = Array.from({ length: 300 }, async () => (await budget.reserve(SOURCE)).giveBack());
    await Promise.all(right);
    await eventually(async () => (await redis.client.exists(KEY)) === 0);
    expect(await fail(10, budget)).toBe(5);
  });

  it('counts those that were wrong among those that were right', async () => {
    const [budget] = budgets(5, 3600) as [FailureBudget];
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const reservation = await budget.reserve(SOURCE).catch(() => null);
        if (index % 25 === 0) reservation?.keepSpent();
        else reservation?.giveBack();
        return reservation !== null;
      }),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(100);
    await eventually(async () => (await fail(1, budget)) === 1);
    expect(await fail(10, budget)).toBe(0);
  });

  it('refuses whoever waits once all before it were wrong', async () => {
    const [budget] = budgets(2, 3600) as [FailureBudget];
    const reserved = taken(await reserveAtOnce(2, budget));
    const waiting = reserveAtOnce(3, budget);
    for (const each of reserved) each.keepSpent();
    expect(taken(await waiting)).toEqual([]);
  });

  it('waits two seconds at most', async () => {
    const [budget] = budgets(1, 3600) as [FailureBudget];
    await reserveAtOnce(1, budget);
    const since = performance.now();
    const [late] = (await reserveAtOnce(1, budget)) as [BudgetSpentError];
    expect(late).toBeInstanceOf(BudgetSpentError);
    expect(late.retryAfterSeconds).toBe(1);
    expect(performance.now() - since).toBeGreaterThan(1_900);
    expect(performance.now() - since).toBeLessThan(3_000);
  });

  it('lets no more than a thousand wait', async () => {
    const [budget] = budgets(1, 3600) as [FailureBudget];
    const [first] = taken(await reserveAtOnce(1, budget));
    let refused = 0;
    const outcomes = Array.from({ length: 1_100 }, () =>
      budget.reserve(SOURCE).catch(() => {
        refused += 1;
      }),
    );
    await eventually(() => refused === 100);
    first?.keepSpent();
    await Promise.all(outcomes);
    expect(refused).toBe(1_100);
  });

  it('does not make Redis the victim of a thousand that wait', async () => {
    const [one, other] = budgets(2, 3600) as [FailureBudget, FailureBudget];
    const first = taken(await reserveAtOnce(2, one));
    await other.reserve('warm').then((each) => each.giveBack());
    const waits = jest.spyOn((replicas[1] as Replica).redis, 'run');
    const probe = fail(1, other);
    await eventually(() => waits.mock.calls.length > 1);
    const waiting = fail(900, other);
    await eventually(() => waits.mock.calls.length > 5);
    for (const each of first) each.giveBack();
    expect((await probe) + (await waiting)).toBe(2);
    expect(waits.mock.calls.length).toBeLessThan(60);
  });

  it('waits for what another replica has not decided', async () => {
    const [one, other] = budgets(3, 3600) as [FailureBudget, FailureBudget];
    const first = taken(await reserveAtOnce(3, one));
    const waiting = fail(5, other);
    for (const each of first) each.giveBack();
    expect(await waiting).toBe(3);
  });

  it('keeps subjects apart', async () => {
    const [budget] = budgets(1, 3600) as [FailureBudget];
    expect(await fail(2, budget)).toBe(1);
    await expect(budget.reserve('203.0.113.8')).resolves.toBeDefined();
  });

  it('asks Redis about a spent budget once a second, not once a guess', async () => {
    const [budget] = budgets(1, 3600) as [FailureBudget];
    await fail(2, budget);
    const run = jest.spyOn((replicas[0] as Replica).redis, 'run');
    for (let round = 0; round < 200; round += 1) expect(await fail(5, budget)).toBe(0);
    expect(run.mock.calls.length).toBeLessThan(5);
  });

  it.each([
    ['text', async () => void (await redis.client.set(KEY, 'nonsense'))],
    ['a negative number', async () => void (await redis.client.set(KEY, '-5'))],
    ['a number too long', async () => void (await redis.client.set(KEY, '9'.repeat(30)))],
    ['another type', async () => void (await redis.client.lpush(KEY, 'x'))],
  ])('takes %s at its key for a full bucket', async (_name, put) => {
    await put();
    const [budget] = budgets(3, 3600) as [FailureBudget];
    expect(await fail(10, budget)).toBe(3);
  });

  it('takes a time beyond its window for an empty bucket, and locks nobody out for longer than that', async () => {
    const [budget] = budgets(4, 4) as [FailureBudget];
    await redis.client.set(KEY, String((Date.now() + 86_400_000) * 1000));
    expect(await fail(1, budget)).toBe(0);
    await eventually(async () => (await fail(1, budget)) === 1, 3_000);
  });

  it('leaves no key behind that does not end', async () => {
    const [budget] = budgets(3, 60) as [FailureBudget];
    await fail(3, budget);
    const ttl = await redis.client.pttl(KEY);
    expect(ttl).toBeGreaterThan(55_000);
    expect(ttl).toBeLessThanOrEqual(60_001);
  });
});

describe('FailureBudget while Redis is away', () => {
  it('gives each replica its share, goes on from what Redis said, and takes Redis up again', async () => {
    const server = await RedisServer.start();
    const replica = await startReplica(server.url, 3);
    try {
      const spent = replica.budget(9, 3600);
      for (let index = 0; index < 9; index += 1) (await spent.reserve(SOURCE)).keepSpent();
      const fresh = replica.budget(9, 3600);
      await server.kill();
      await eventually(() => !replica.redis.usable);

      await expect(spent.reserve(SOURCE)).rejects.toThrow(BudgetSpentError);
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, () =>
          fresh.reserve(SOURCE).then(
            (each) => each.keepSpent(),
            (error: unknown) => error,
          ),
        ),
      );
      expect(outcomes.filter((each) => each === undefined)).toHaveLength(3);

      await server.restart();
      await eventually(() => replica.redis.state === 'up', 20_000);
      const back = replica.budget(9, 3600);
      for (let index = 0; index < 9; index += 1) (await back.reserve(SOURCE)).keepSpent();
      await expect(back.reserve(SOURCE)).rejects.toThrow(BudgetSpentError);
    } finally {
      await replica.redis.onApplicationShutdown();
      await server.stop();
    }
  });

  it('has at least one attempt, and gives it back', async () => {
    const server = await RedisServer.start();
    const replica = await startReplica(server.url, 100);
    try {
      await server.kill();
      await eventually(() => !replica.redis.usable);
      const budget = replica.budget(9, 3600);
      for (let index = 0; index < 20; index += 1) (await budget.reserve(SOURCE)).giveBack();
      (await budget.reserve(SOURCE)).keepSpent();
      await expect(budget.reserve(SOURCE)).rejects.toThrow(BudgetSpentError);
    } finally {
      await replica.redis.onApplicationShutdown();
      await server.stop();
    }
  });

  it('hangs on nothing while Redis is frozen, and what it took is given back all the same', async () => {
    const server = await RedisServer.start();
    const replica = await startReplica(server.url);
    try {
      const budget = replica.budget(5, 3600);
      const reservation = await budget.reserve(SOURCE);
      server.pause();
      reservation.giveBack();
      for (let index = 0; index < 5; index += 1) (await budget.reserve(SOURCE)).keepSpent();
      await expect(budget.reserve(SOURCE)).rejects.toThrow(BudgetSpentError);
    } finally {
      server.resume();
      await replica.redis.onApplicationShutdown();
      await server.stop();
    }
  });
});
