import { Clock } from '../../src/kernel/clock.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import { AutomaticBlocksRepository } from '../../src/traffic/rate-limit/ip-gate/automatic-blocks.repository.js';
import { AutomaticBlocks } from '../../src/traffic/rate-limit/ip-gate/automatic-blocks.service.js';
import { IpRulesRepository } from '../../src/traffic/rate-limit/ip-gate/ip-rules.repository.js';
import type { Pattern } from '../../src/traffic/rate-limit/ip-gate/local-offences.js';
import { OffenceTally } from '../../src/traffic/rate-limit/ip-gate/offence-tally.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { NO_JOBS } from '../support/rate-limit-fakes.js';
import { RedisServer } from '../support/redis-server.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

const SOURCE = '203.0.113.7';

interface Tally {
  readonly tally: OffenceTally;
  readonly redis: RedisService;
  readonly found: [address: string, pattern: Pattern][];
  /** Notes so many attempts of an address on so many ids, and hands them on. */
  offend(attempts: number, ids?: number, address?: string): Promise<void>;
}

async function startTally(url: string, thresholds: Record<string, string> = {}): Promise<Tally> {
  const settings = buildSettings({
    REDIS_URL: url,
    AUTO_BLOCK_FAILURES: '20/600',
    AUTO_BLOCK_CLIENT_IDS: '10/600',
    ...thresholds,
  });
  const redis = new RedisService(settings, new Clock());
  const found: [string, Pattern][] = [];
  const blocks = { block: async (address: string, pattern: Pattern) => void found.push([address, pattern]) };
  const tally = new OffenceTally(settings, redis, NO_JOBS, blocks as unknown as AutomaticBlocks);
  await redis.onModuleInit();
  const offend = async (attempts: number, ids = 1, address = SOURCE) => {
    for (let index = 0; index < attempts; index += 1) tally.note({ address, clientId: `id ${index % ids}` });
    await tally.flush();
  };
  return { tally, redis, found, offend };
}

describe('OffenceTally', () => {
  let redis: TestRedis;
  let tallies: Tally[];
  const tally = (index = 0) => tallies[index] as Tally;

  beforeAll(async () => {
    redis = await createTestRedis();
    tallies = await Promise.all([startTally(redis.url), startTally(redis.url), startTally(redis.url)]);
  });
  afterEach(async () => {
    await redis.client.flushdb();
    for (const { found } of tallies) found.length = 0;
  });
  afterAll(async () => {
    for (const each of tallies) await each.redis.onApplicationShutdown();
    await redis.drop();
  });

  it('adds up what replicas saw, and tells one of them alone', async () => {
    await Promise.all(tallies.map(({ offend }) => offend(6)));
    expect(tallies.flatMap(({ found }) => found)).toEqual([]);
    await Promise.all(tallies.map(({ offend }) => offend(6)));
    expect(tallies.flatMap(({ found }) => found)).toEqual([[SOURCE, 'attempts']]);
    await tally().offend(5);
    expect(tallies.flatMap(({ found }) => found)).toHaveLength(1);
  });

  it('adds up the ids that replicas saw', async () => {
    await tally(0).offend(6, 6);
    await tally(1).offend(6, 6);
    expect(tally(1).found).toEqual([]);
    tally(1).tally.note({ address: SOURCE, clientId: 'another' });
    await tally(2).offend(3, 3);
    await tally(1).offend(12, 12, '203.0.113.8');
    expect(tallies.flatMap(({ found }) => found)).toEqual([['203.0.113.8', 'client_ids']]);
  });

  it('takes an IPv6 /64 for one source', async () => {
    for (let index = 1; index <= 20; index += 1) tally().tally.note({ address: `2001:db8::${index}`, clientId: 'id' });
    await tally().tally.flush();
    expect(tally().found).toEqual([['2001:db8::1', 'attempts']]);
  });

  it('forgets when the window is over, and leaves no key behind that does not end', async () => {
    await tally().offend(3, 3);
    for (const name of ['offences', 'offence_ids']) {
      const ttl = await redis.client.pttl(redisKey.bucket(SOURCE, name));
      expect(ttl).toBeGreaterThan(590_000);
      expect(ttl).toBeLessThanOrEqual(600_000);
    }
  });

  it('counts on over values of another type', async () => {
    await redis.client.lpush(redisKey.bucket(SOURCE, 'offences'), 'x');
    await redis.client.set(redisKey.bucket(SOURCE, 'offence_ids'), 'x');
    await tally().offend(19, 2);
    await tally().offend(1, 1);
    expect(tally().found).toEqual([[SOURCE, 'attempts']]);
  });

  it('counts hundreds of addresses in one go', async () => {
    for (let index = 0; index < 350; index += 1) {
      for (let attempt = 0; attempt < 20; attempt += 1)
        tally().tally.note({ address: `198.51.${index >> 8}.${index & 255}`, clientId: 'id' });
    }
    await tally().tally.flush();
    expect(tally().found).toHaveLength(350);
  });

  it('is off where both settings are, and looks for one pattern where one is', async () => {
    const off = await startTally(redis.url, { AUTO_BLOCK_FAILURES: 'off', AUTO_BLOCK_CLIENT_IDS: 'off' });
    const ids = await startTally(redis.url, { AUTO_BLOCK_FAILURES: 'off' });
    const attempts = await startTally(redis.url, { AUTO_BLOCK_CLIENT_IDS: 'off' });
    for (const each of [off, ids, attempts]) {
      await each.offend(300, 2);
      await each.offend(12, 12, '203.0.113.9');
    }
    expect([off.found, ids.found, attempts.found]).toEqual([
      [],
      [['203.0.113.9', 'client_ids']],
      [[SOURCE, 'attempts']],
    ]);
    for (const each of [off, ids, attempts]) await each.redis.onApplicationShutdown();
  });

  it('counts by itself while Redis is away, killed or frozen', async () => {
    const server = await RedisServer.start();
    const alone = await startTally(server.url);
    try {
      server.pause();
      await alone.offend(10);
      server.resume();
      await server.kill();
      await eventually(() => !alone.redis.usable);
      await alone.offend(10);
      expect(alone.found).toEqual([[SOURCE, 'attempts']]);
    } finally {
      await alone.redis.onApplicationShutdown();
      await server.stop();
    }
  });
});

describe('AutomaticBlocks', () => {
  let app: TestApp;
  let blocks: AutomaticBlocks;
  const cidrs = async () =>
    (await app.database.query<{ cidr: string }>('SELECT cidr::text FROM ip_rules ORDER BY cidr')).map(
      ({ cidr }) => cidr,
    );

  beforeAll(async () => {
    app = await startApp({ redis: null });
    blocks = app.app.get(AutomaticBlocks, { strict: false });
  });
  afterEach(async () => {
    await app.database.query('DELETE FROM ip_rules');
  });
  afterAll(() => app?.stop());

  it('makes one block of hundreds of calls at once', async () => {
    const begun = blocks.stats.begun;
    await Promise.all(Array.from({ length: 300 }, () => blocks.block(SOURCE, 'attempts')));
    expect(await cidrs()).toEqual([`${SOURCE}/32`]);
    expect(blocks.stats.begun - begun).toBe(1);
    const [rule] = await app.database.query('SELECT strikes FROM ip_rules');
    expect(rule).toEqual({ strikes: 1 });
  });

  it('does not make a block longer while it stands', async () => {
    await blocks.block(SOURCE, 'attempts');
    const [before] = await app.database.query('SELECT expires_at, strikes FROM ip_rules');
    await blocks.block(SOURCE, 'client_ids');
    expect(await app.database.query('SELECT expires_at, strikes FROM ip_rules')).toEqual([before]);
  });

  it.each([
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '10.1.2.3',
    '192.168.0.9',
    '172.17.0.1',
    '100.64.0.1',
    'fd00::1',
    'fe80::1',
    'not an address',
  ])('spares %s', async (address) => {
    await blocks.block(address, 'attempts');
    expect(await cidrs()).toEqual([]);
  });

  it('spares the range of a proxy, and private addresses only where no proxy is named', async () => {
    const other = await app.replica({ TRUSTED_PROXIES: '198.51.100.9/24,2001:db8:1::5,::ffff:192.0.2.0/120' });
    try {
      const theirs = other.app.get(AutomaticBlocks, { strict: false });
      for (const address of ['198.51.100.200', '2001:db8:1::77', '192.0.2.9']) await theirs.block(address, 'attempts');
      expect(theirs.stats.spared).toBe(3);
      for (const address of ['10.1.2.3', '198.51.101.1', '2001:db8:1:1::5']) await theirs.block(address, 'attempts');
      expect(await cidrs()).toEqual(['10.1.2.3/32', '198.51.101.1/32', '2001:db8:1:1::/64']);
    } finally {
      await other.stop();
    }
  });

  it('spares what a rule allows, of which this replica has not heard yet too', async () => {
    const repository = app.app.get(AutomaticBlocksRepository, { strict: false });
    await app.database.query(
      `INSERT INTO ip_rules (id, cidr, action, source) VALUES ('range', '203.0.113.0/24', 'allow', 'manual')`,
    );
    const within = jest.fn();
    expect(await repository.block(`${SOURCE}/32`, SOURCE, 'why', within)).toBeNull();
    expect(within).not.toHaveBeenCalled();
    await app.database.query(`UPDATE ip_rules SET expires_at = now() - interval '1 second'`);
    expect(await repository.block(`${SOURCE}/32`, SOURCE, 'why', within)).not.toBeNull();
    expect(within).toHaveBeenCalledTimes(1);
  });

  it('keeps ten thousand blocks at most, and those it has can still grow', async () => {
    await app.database.query(
      `INSERT INTO ip_rules (id, cidr, action, source, expires_at, strikes)
       SELECT 'n' || n, set_masklen('11.0.0.0'::inet + n, 32)::cidr, 'block', 'automatic', now() - interval '1 hour', 1
       FROM generate_series(1, 10000) AS n`,
    );
    await blocks.block(SOURCE, 'attempts');
    expect((await cidrs()).includes(`${SOURCE}/32`)).toBe(false);
    await blocks.block('11.0.0.7', 'attempts');
    const rows = await app.database.query(`SELECT strikes FROM ip_rules WHERE cidr = '11.0.0.7'`);
    expect(rows).toEqual([{ strikes: 2 }]);
  });

  it('lets a block that cannot be written go, and says so', async () => {
    const repository = app.app.get(AutomaticBlocksRepository, { strict: false });
    jest.spyOn(repository, 'block').mockRejectedValue(new Error('away'));
    const { failed } = blocks.stats;
    await blocks.block(SOURCE, 'attempts');
    expect(blocks.stats.failed).toBe(failed + 1);
  });

  it('takes away what expired a day ago, and tells nobody', async () => {
    await app.database.query(
      `INSERT INTO ip_rules (id, cidr, action, source, expires_at)
       VALUES ('old', '203.0.113.1', 'block', 'manual', now() - interval '25 hours'),
              ('younger', '203.0.113.2', 'block', 'manual', now() - interval '23 hours')`,
    );
    const changes = () =>
      app.database.query<{ count: string }>(`SELECT count(*) FROM changes WHERE topic = 'ip_rules'`);
    const before = await changes();
    await app.app.get(IpRulesRepository, { strict: false }).removeExpired();
    expect(await cidrs()).toEqual(['203.0.113.2/32']);
    expect(await changes()).toEqual(before);
  });
});
