import { generateClientId } from '../../src/identity/clients/api-key.js';
import { AuthUnavailableError, InvalidApiKeyError } from '../../src/kernel/app-error.js';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import { type CredentialReplica, startCredentialReplica } from '../support/credential-replica.js';
import { FrozenClock } from '../support/frozen-clock.js';
import { type InsertedClient, insertClient, wrongKeyOf } from '../support/insert-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

const TTL_MS = 300_000;

describe('the credential cache', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let clock: FrozenClock;
  let replica: CredentialReplica;
  let other: CredentialReplica;
  let client: InsertedClient;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await createTestRedis();
    clock = new FrozenClock();
    const settings = { DATABASE_URL: database.url, REDIS_URL: redis.url };
    replica = await startCredentialReplica(settings, clock);
    other = await startCredentialReplica(settings, clock);
  });

  afterAll(async () => {
    await Promise.all([replica.stop(), other.stop()]);
    await Promise.all([database.drop(), redis.drop()]);
  });

  beforeEach(async () => {
    client = await insertClient(database);
  });

  const entryKey = () => redisKey.credential(client.clientId);
  const refused = (apiKey: string, on = replica) => expect(on.authenticate(apiKey)).rejects.toThrow(InvalidApiKeyError);
  const accepted = async (apiKey = client.apiKey, on = replica) => {
    const { state, fence } = await on.authenticate(apiKey);
    expect(state).toMatchObject({ method: 'client', clientId: client.clientId });
    expect(fence).toBeNull();
  };

  /** What a step cost: reads of PostgreSQL and bcrypt comparisons. */
  async function cost(step: () => Promise<unknown>, on = replica) {
    const before = [on.reads.count, on.credentials.comparisons] as const;
    await step();
    return { reads: on.reads.count - before[0], comparisons: on.credentials.comparisons - before[1] };
  }

  it('reads PostgreSQL and hashes once, then neither, on the other replica either', async () => {
    expect(await cost(() => accepted())).toEqual({ reads: 1, comparisons: 1 });
    expect(await cost(() => accepted())).toEqual({ reads: 0, comparisons: 0 });
    expect(await cost(() => accepted(client.apiKey, other), other)).toEqual({ reads: 0, comparisons: 0 });
  });

  it('keeps the hashed secret and a keyed digest in Redis for 300 s, and never the secret', async () => {
    await accepted();
    const entry = (await redis.client.get(entryKey())) ?? '';
    expect(entry).toMatch(/"hashed_secret":"\$2b\$04\$.{53}"/);
    expect(entry).toContain('"digest":"');
    expect(entry).not.toContain(client.secret);
    const ttl = await redis.client.pttl(entryKey());
    expect(ttl).toBeGreaterThan(TTL_MS - 5_000);
    expect(ttl).toBeLessThanOrEqual(TTL_MS);
  });

  it('slides the expiry with each success, and never with a wrong secret', async () => {
    await accepted();
    await redis.client.pexpire(entryKey(), 50_000);
    for (let attempt = 0; attempt < 20; attempt++) await refused(wrongKeyOf(client.clientId));
    expect(await redis.client.pttl(entryKey())).toBeLessThanOrEqual(50_000);
    await accepted();
    expect(await redis.client.pttl(entryKey())).toBeGreaterThan(TTL_MS - 5_000);
  });

  it('hashes once and reads a few times for 500 cold requests at once', async () => {
    const spent = await cost(() => Promise.all(Array.from({ length: 500 }, () => accepted())));
    expect(spent.comparisons).toBe(1);
    expect(spent.reads).toBeLessThanOrEqual(3);
  });

  it('checks a due entry without hashing', async () => {
    await accepted();
    clock.advanceSeconds(60);
    expect(await cost(() => accepted())).toEqual({ reads: 1, comparisons: 0 });
    expect(await cost(() => accepted())).toEqual({ reads: 0, comparisons: 0 });
  });

  it.each([
    ['disabled', `UPDATE clients SET status = 'disabled' WHERE client_id = $1`],
    ['deleted', 'DELETE FROM clients WHERE client_id = $1'],
    ['without its secret', 'DELETE FROM client_secrets WHERE client_id = $1'],
    [
      'given another secret',
      `UPDATE client_secrets SET hashed_secret = '$2b$04$${'x'.repeat(53)}' WHERE client_id = $1`,
    ],
  ])('notices within the recheck that a client was %s by SQL', async (_what, sql) => {
    await accepted();
    await accepted(client.apiKey, other);
    await database.query(sql, [client.clientId]);
    clock.advanceSeconds(60);
    await refused(client.apiKey);
    await refused(client.apiKey, other);
  });

  it('takes scopes and tier changed by SQL within the recheck', async () => {
    await accepted();
    await database.query(`UPDATE clients SET tier = 'free', scopes = '{}' WHERE client_id = $1`, [client.clientId]);
    clock.advanceSeconds(60);
    expect((await replica.authenticate(client.apiKey)).state).toMatchObject({ tier: 'free', scopes: [] });
  });

  it.each(['expiresAt', 'secretExpiresAt'])('honours %s to the millisecond whatever the cache says', async (limit) => {
    client = await insertClient(database, { [limit]: new Date(clock.now() + 5_000) });
    await accepted();
    await accepted(client.apiKey, other);
    clock.advance(4_999);
    await accepted();
    clock.advance(1);
    await refused(client.apiKey);
    await refused(client.apiKey, other);
  });

  it('lets a re-created id inherit nothing', async () => {
    await accepted();
    await database.query('DELETE FROM clients WHERE client_id = $1', [client.clientId]);
    const recreated = await insertClient(database, { clientId: client.clientId, tier: 'free', scopes: [] });
    clock.advanceSeconds(60);
    await refused(client.apiKey);
    expect((await replica.authenticate(recreated.apiKey)).state).toMatchObject({ tier: 'free', scopes: [] });
    await refused(client.apiKey, other);
  });

  it.each([
    ['text', (key: string) => redis.client.set(key, 'garbage')],
    [
      'JSON that says the right things',
      (key: string) => redis.client.set(key, JSON.stringify({ client_id: key, status: 'active', scopes: ['admin'] })),
    ],
    ['a hash', (key: string) => redis.client.del(key).then(() => redis.client.hset(key, 'a', 'b'))],
    ['nothing', (key: string) => redis.client.set(key, '')],
  ])("takes %s in an entry's place as a miss", async (_what, spoil) => {
    await accepted();
    await spoil(entryKey());
    expect((await cost(() => accepted())).reads).toBe(1);
    await refused(wrongKeyOf(client.clientId));
    await accepted(client.apiKey, other);
  });

  it("takes another client's entry as a miss, never as an identity", async () => {
    const admin = await insertClient(database, { scopes: ['admin'] });
    await replica.authenticate(admin.apiKey);
    await accepted();
    await redis.client.set(entryKey(), (await redis.client.get(redisKey.credential(admin.clientId))) ?? '');
    const { state } = await other.authenticate(client.apiKey);
    expect(state).toMatchObject({ clientId: client.clientId, scopes: ['llm:invoke'] });
    await refused(wrongKeyOf(client.clientId), other);
  });

  it('reads PostgreSQL a few times for 500 requests with one unknown id, and hashes for each', async () => {
    const unknown = wrongKeyOf(generateClientId('live'));
    const refusals = replica.credentials.stats.refused;
    const spent = await cost(() => Promise.all(Array.from({ length: 50 }, () => refused(unknown))));
    expect(spent.reads).toBeLessThanOrEqual(3);
    expect(replica.credentials.stats.refused - refusals).toBe(50);
    expect((await cost(() => refused(unknown))).reads).toBe(0);
  });

  describe('revoking', () => {
    async function revoke(): Promise<void> {
      const removed = await replica.repository.remove(client.clientId, () => undefined);
      if (removed === null) throw new Error('There was no such client.');
      await replica.revocations.follow({ clientId: client.clientId, ...removed });
    }

    it('ends the key on every replica at once, in both stores', async () => {
      await accepted();
      await accepted(client.apiKey, other);
      await revoke();
      await refused(client.apiKey, other);
      await refused(client.apiKey);
      expect(await redis.client.exists(entryKey())).toBe(0);
      expect(await database.query('SELECT 1 FROM clients WHERE client_id = $1', [client.clientId])).toEqual([]);
    });

    it('accepts none of the requests that start after it, of 500 under way on two replicas', async () => {
      await accepted();
      let revoked = false;
      const startedAfter: Promise<unknown>[] = [];
      const startedBefore: Promise<unknown>[] = [];
      const traffic = (async () => {
        for (let request = 0; request < 500; request++) {
          const outcome = (request % 2 ? replica : other).authenticate(client.apiKey);
          (revoked ? startedAfter : startedBefore).push(outcome);
          outcome.catch(() => undefined);
          if (request % 5 === 0) await new Promise(setImmediate);
        }
      })();
      await revoke();
      revoked = true;
      await traffic;
      const late = await Promise.allSettled([
        ...startedAfter,
        ...Array.from({ length: 100 }, () => other.authenticate(client.apiKey)),
      ]);
      expect(late.length).toBeGreaterThanOrEqual(100);
      expect(late.filter(({ status }) => status === 'fulfilled')).toEqual([]);
      await Promise.allSettled(startedBefore);
      await refused(client.apiKey, other);
    });

    it('is not undone by a slow reader that began before', async () => {
      let reading: () => void = () => undefined;
      let goOn: () => void = () => undefined;
      const hasRead = new Promise<void>((resolve) => {
        reading = resolve;
      });
      const mayGoOn = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const slow = await startCredentialReplica({ DATABASE_URL: database.url, REDIS_URL: redis.url }, clock, () => {
        reading();
        return mayGoOn;
      });
      const early = slow.authenticate(client.apiKey);
      await hasRead;
      await revoke();
      goOn();
      await early;
      expect(await redis.client.exists(entryKey())).toBe(0);
      await refused(client.apiKey, slow);
      await refused(client.apiKey, other);
      await slow.stop();
    });

    it('narrowing acts on the next request of every replica', async () => {
      await accepted();
      await accepted(client.apiKey, other);
      const changed = await replica.repository.change(client.clientId, () => ({ scopes: [] }));
      if (changed === null) throw new Error('There was no such client.');
      await replica.revocations.follow({ clientId: client.clientId, ...changed });
      expect((await other.authenticate(client.apiKey)).state).toMatchObject({ scopes: [] });
    });
  });

  it('is a miss after Redis was flushed', async () => {
    await accepted();
    await redis.client.flushdb();
    expect(await cost(() => accepted())).toEqual({ reads: 1, comparisons: 0 });
  });

  it('says 503 for what it cannot decide, and never 401', async () => {
    const broken = await startCredentialReplica(
      { DATABASE_URL: database.url, REDIS_URL: redis.url },
      clock,
      async () => {
        throw new Error('connection lost');
      },
    );
    await expect(broken.authenticate(client.apiKey)).rejects.toThrow(AuthUnavailableError);
    await broken.stop();
  });
});
