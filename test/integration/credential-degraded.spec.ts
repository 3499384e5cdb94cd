import { performance } from 'node:perf_hooks';
import { FenceCarrier } from '../../src/identity/clients/fence-carrier.js';
import type { PrincipalChanges } from '../../src/identity/principals/principal-changes.service.js';
import { AuthUnavailableError, InvalidApiKeyError } from '../../src/kernel/app-error.js';
import type { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { type CredentialReplica, startCredentialReplica } from '../support/credential-replica.js';
import { eventually } from '../support/eventually.js';
import { FrozenClock } from '../support/frozen-clock.js';
import { type InsertedClient, insertClient, wrongKeyOf } from '../support/insert-client.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const REDIS_BOUND_MS = 200;
/** What a busy machine may add. */
const SLACK_MS = 300;
const RECHECK_SECONDS = 60;
const STALE_GRACE_SECONDS = 15 * 60;

/** Deletes the client on one replica, and sees that through as far as it can be told. */
async function revoke({ repository, revocations }: CredentialReplica, clientId: string): Promise<void> {
  const removed = await repository.remove(clientId, () => undefined);
  if (removed === null) throw new Error('There was no such client.');
  await revocations.follow({ clientId, ...removed });
}

describe('the credential check with something away', () => {
  let database: TestDatabase;
  let redisServer: RedisServer;
  let toPostgres: TcpProxy;
  let toRedis: TcpProxy;
  let clock: FrozenClock;
  let replica: CredentialReplica;
  let client: InsertedClient;

  beforeEach(async () => {
    clock = new FrozenClock();
    [database, redisServer] = await Promise.all([createTestDatabase(), RedisServer.start()]);
    [toPostgres, toRedis] = await Promise.all([TcpProxy.start(database.url), TcpProxy.start(redisServer.url)]);
    replica = await startCredentialReplica(
      { DATABASE_URL: toPostgres.through(database.url), REDIS_URL: toRedis.through(redisServer.url) },
      clock,
    );
    client = await insertClient(database);
  });

  afterEach(async () => {
    await replica.stop();
    await Promise.all([toPostgres.stop(), toRedis.stop()]);
    await Promise.all([database.drop(), redisServer.stop()]);
  });

  const accepted = async (apiKey = client.apiKey) => {
    expect((await replica.authenticate(apiKey)).state).toMatchObject({ method: 'client' });
  };
  const refused = (apiKey: string) => expect(replica.authenticate(apiKey)).rejects.toThrow(InvalidApiKeyError);
  const undecided = (apiKey: string) => expect(replica.authenticate(apiKey)).rejects.toThrow(AuthUnavailableError);
  const milliseconds = async (step: () => Promise<unknown>) => {
    const start = performance.now();
    await step();
    return performance.now() - start;
  };

  describe('Redis', () => {
    it.each<[string, () => Promise<void> | void]>([
      ['refuses', () => toRedis.refuse()],
      ['answers nothing', () => toRedis.blackHole()],
      ['is 300 ms slow', () => toRedis.delay(300)],
      ['was killed', () => redisServer.kill()],
    ])('that %s: known and new clients go on from PostgreSQL, within the bound', async (_what, breakRedis) => {
      await accepted();
      await breakRedis();
      expect(await milliseconds(() => accepted())).toBeLessThan(2 * REDIS_BOUND_MS + SLACK_MS);
      await eventually(() => accepted().then(() => !replica.redis.usable));
      expect(await milliseconds(() => accepted())).toBeLessThan(SLACK_MS);
      const newcomer = await insertClient(database);
      expect(await milliseconds(() => accepted(newcomer.apiKey))).toBeLessThan(SLACK_MS);
      await refused(wrongKeyOf(client.clientId));
    });

    it('hashes once per secret while it is away, and sees every change of PostgreSQL at once', async () => {
      await toRedis.refuse();
      await eventually(() => !replica.redis.usable);
      await accepted();
      const comparisons = replica.credentials.comparisons;
      for (let request = 0; request < 10; request++) await accepted();
      expect(replica.credentials.comparisons).toBe(comparisons);
      await database.query(`UPDATE clients SET status = 'disabled' WHERE client_id = $1`, [client.clientId]);
      await refused(client.apiKey);
    });

    it('is used again after it came back', async () => {
      await accepted();
      await toRedis.refuse();
      await eventually(() => !replica.redis.usable);
      await accepted();
      await toRedis.heal();
      await eventually(() => replica.redis.state === 'up');
      await accepted();
      const fromMemory = replica.credentials.stats.memory;
      await accepted();
      await accepted();
      expect(replica.credentials.stats.memory).toBeGreaterThan(fromMemory);
    });

    it('that hears of a revocation too late: ended here at once, there when it is back', async () => {
      const other = await startCredentialReplica({ DATABASE_URL: database.url, REDIS_URL: redisServer.url }, clock);
      await accepted();
      await other.authenticate(client.apiKey);
      await toRedis.refuse();
      await eventually(() => !replica.redis.usable);
      await revoke(replica, client.clientId);
      await refused(client.apiKey);

      const periodic = { every: () => undefined } as unknown as PeriodicService;
      const principals = { onFollow: () => undefined } as unknown as PrincipalChanges;
      const carrier = new FenceCarrier(replica.repository, replica.cache, replica.redis, periodic, principals);
      carrier.onModuleInit();
      await toRedis.heal();
      await eventually(() =>
        other.authenticate(client.apiKey).then(
          () => false,
          (error) => error instanceof InvalidApiKeyError,
        ),
      );
      await eventually(async () => (await database.query('SELECT 1 FROM credential_fences')).length === 0);
      await other.stop();
    });

    it('that never hears of it: the recheck bounds it', async () => {
      const other = await startCredentialReplica({ DATABASE_URL: database.url, REDIS_URL: redisServer.url }, clock);
      await other.authenticate(client.apiKey);
      await toRedis.refuse();
      await eventually(() => !replica.redis.usable);
      await revoke(replica, client.clientId);
      clock.advanceSeconds(RECHECK_SECONDS);
      await expect(other.authenticate(client.apiKey)).rejects.toThrow(InvalidApiKeyError);
      await other.stop();
    });
  });

  describe('PostgreSQL', () => {
    it.each<[string, () => Promise<void> | void]>([
      ['refuses', () => toPostgres.refuse()],
      ['answers nothing', () => toPostgres.blackHole()],
    ])(
      'that %s: cached clients are served for the recheck bound and 15 minutes, others are 503',
      async (_what, breakPostgres) => {
        const uncached = await insertClient(database);
        await accepted();
        await breakPostgres();
        await accepted();
        clock.advanceSeconds(RECHECK_SECONDS);
        expect(await milliseconds(() => accepted())).toBeLessThan(500 + SLACK_MS);
        expect(await milliseconds(() => accepted())).toBeLessThan(SLACK_MS);
        await refused(wrongKeyOf(client.clientId));
        clock.advanceSeconds(STALE_GRACE_SECONDS);
        await accepted();
        clock.advance(1);
        await undecided(client.apiKey);
        expect(await milliseconds(() => undecided(uncached.apiKey))).toBeLessThan(5_000);
      },
    );

    it('back again: what changed meanwhile is seen', async () => {
      await accepted();
      await toPostgres.refuse();
      clock.advanceSeconds(RECHECK_SECONDS);
      await accepted();
      await database.query('DELETE FROM clients WHERE client_id = $1', [client.clientId]);
      await toPostgres.heal();
      clock.advanceSeconds(2);
      await refused(client.apiKey);
    });

    it('does not bring back what another replica revoked just before', async () => {
      const other = await startCredentialReplica({ DATABASE_URL: database.url, REDIS_URL: redisServer.url }, clock);
      await accepted();
      await accepted();
      await revoke(other, client.clientId);
      await toPostgres.refuse();
      await undecided(client.apiKey);
      clock.advanceSeconds(RECHECK_SECONDS);
      await undecided(client.apiKey);
      await other.stop();
    });

    it('honours expiry while it is away', async () => {
      client = await insertClient(database, { expiresAt: new Date(clock.now() + 120_000) });
      await accepted();
      await toPostgres.refuse();
      clock.advanceSeconds(119);
      await accepted();
      clock.advanceSeconds(1);
      await refused(client.apiKey);
    });
  });

  it('both away: cached clients are served from this process for the recheck bound, others are 503', async () => {
    const uncached = await insertClient(database);
    await accepted();
    await Promise.all([toPostgres.refuse(), toRedis.refuse()]);
    await eventually(() => !replica.redis.usable);
    await accepted();
    await undecided(uncached.apiKey);
    clock.advanceSeconds(RECHECK_SECONDS);
    replica.registry.silentMs = RECHECK_SECONDS * 1000;
    await accepted();
    replica.registry.silentMs += 1;
    await undecided(client.apiKey);
  });
});

describe('the credential check without Redis configured', () => {
  let database: TestDatabase;
  let clock: FrozenClock;
  let replica: CredentialReplica;
  let client: InsertedClient;

  beforeAll(async () => {
    database = await createTestDatabase();
    clock = new FrozenClock();
    replica = await startCredentialReplica({ DATABASE_URL: database.url }, clock);
  });
  afterAll(async () => {
    await replica.stop();
    await database.drop();
  });
  beforeEach(async () => {
    client = await insertClient(database);
  });

  it('reads and hashes once, then neither', async () => {
    await replica.authenticate(client.apiKey);
    const [reads, comparisons] = [replica.reads.count, replica.credentials.comparisons];
    for (let request = 0; request < 10; request++) await replica.authenticate(client.apiKey);
    expect([replica.reads.count, replica.credentials.comparisons]).toEqual([reads, comparisons]);
    expect(await replica.authenticate(client.apiKey)).toMatchObject({ fence: null });
  });

  it('ends a revoked key at once', async () => {
    await replica.authenticate(client.apiKey);
    await revoke(replica, client.clientId);
    await expect(replica.authenticate(client.apiKey)).rejects.toThrow(InvalidApiKeyError);
  });

  it('notices a change by SQL within the recheck', async () => {
    await replica.authenticate(client.apiKey);
    await database.query(`UPDATE clients SET status = 'disabled' WHERE client_id = $1`, [client.clientId]);
    clock.advanceSeconds(RECHECK_SECONDS);
    await expect(replica.authenticate(client.apiKey)).rejects.toThrow(InvalidApiKeyError);
  });
});
