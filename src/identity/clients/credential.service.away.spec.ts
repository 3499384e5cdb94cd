import { FREE_ATTEMPT } from '../../../test/support/attempts.js';
import {
  buildCredentialCheck,
  buildRecord,
  buildSecret,
  CLIENT_ID,
  type CredentialCheck,
  FakeRedis,
  presenting,
} from '../../../test/support/credential-fakes.js';
import { elapse, settle, stopTime } from '../../../test/support/stopped-time.js';
import { AuthUnavailableError, InvalidApiKeyError } from '../../kernel/app-error.js';
import type { RememberedCredential } from './credential-cache.js';

const RECHECK_MS = 60_000;
const STALE_MS = RECHECK_MS + 15 * 60_000;
const PATIENCE_MS = 500;
const REST_MS = 1_000;

/** A check that remembers one client with the secret `right`. */
async function warmCheck(redis = new FakeRedis(), record = buildRecord()): Promise<CredentialCheck> {
  const check = buildCredentialCheck({ redis });
  check.clients.records.set(CLIENT_ID, record);
  await check.service.verify(presenting('right'), FREE_ATTEMPT);
  return check;
}

/** Another replica on the same stores. */
const replicaOf = ({ redis, clients }: CredentialCheck) => buildCredentialCheck({ redis, clients });

const end = ({ revocations }: CredentialCheck, version: string) =>
  revocations.follow({ clientId: CLIENT_ID, version, changeId: '1' });
const verify = async ({ service }: CredentialCheck, text = 'right') => service.verify(presenting(text), FREE_ATTEMPT);
const undecided = async (check: CredentialCheck) => {
  const before = check.service.stats.unavailable;
  await expect(verify(check)).rejects.toThrow(AuthUnavailableError);
  expect(check.service.stats.unavailable).toBe(before + 1);
};

describe('CredentialService with something away', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  describe('Redis', () => {
    it('with the breaker open: reads PostgreSQL for every request and hashes for none it knows', async () => {
      const check = await warmCheck();
      check.redis.usable = false;
      for (const reads of [2, 3, 4]) {
        expect(await verify(check)).toMatchObject({ client: { clientId: CLIENT_ID }, fence: null });
        expect([check.clients.reads, check.bcrypt.spent]).toEqual([reads, 1]);
      }
      check.clients.change(CLIENT_ID, { status: 'disabled' });
      await expect(verify(check)).rejects.toThrow(InvalidApiKeyError);
    });

    it('that answers nothing: the same', async () => {
      const check = await warmCheck();
      await elapse(RECHECK_MS);
      check.redis.silent = true;
      expect(await verify(check)).toMatchObject({ fence: null });
      expect([check.clients.reads, check.bcrypt.spent]).toEqual([2, 1]);
    });

    it('back again: what was remembered without it is not believed', async () => {
      const redis = Object.assign(new FakeRedis(), { usable: false });
      const check = await warmCheck(redis);
      redis.usable = true;
      await verify(check);
      expect(check.clients.reads).toBe(2);
      expect(redis.count('credentialPut')).toBe(1);
      expect(check.service.verify(presenting('right'), FREE_ATTEMPT)).toMatchObject({ fence: { ttlMs: 300_000 } });
    });
  });

  describe('PostgreSQL', () => {
    it.each([
      ['with Redis', () => new FakeRedis()],
      ['without Redis configured', () => FakeRedis.none()],
    ])('%s: entries are served to the millisecond, then nothing is known', async (_what, redis) => {
      const check = await warmCheck(redis());
      check.clients.away = true;
      for (let age = RECHECK_MS; age <= STALE_MS; age += RECHECK_MS) {
        await elapse(RECHECK_MS);
        expect(await verify(check)).toMatchObject({ client: { clientId: CLIENT_ID } });
      }
      expect(check.service.stats).toMatchObject({ stale: 16, unavailable: 0, database: 1 });
      await elapse(1);
      await undecided(check);
    });

    it('keeps a stale answer provisional while Redis can be asked', async () => {
      const check = await warmCheck();
      check.clients.away = true;
      await elapse(RECHECK_MS);
      expect(await verify(check)).toMatchObject({ fence: { ttlMs: 300_000 } });
      check.redis.usable = false;
      expect(await verify(check)).toMatchObject({ fence: null });
    });

    it('remembers an entry it found in Redis, for when that goes away too', async () => {
      const first = await warmCheck();
      const check = replicaOf(first);
      check.clients.away = true;
      await elapse(RECHECK_MS);
      await verify(check);
      check.redis.usable = false;
      expect(await verify(check)).toMatchObject({ client: { clientId: CLIENT_ID }, fence: null });
    });

    it('knows nothing of a client that is cached nowhere', async () => {
      const check = buildCredentialCheck();
      check.clients.away = true;
      await undecided(check);
      expect(check.bcrypt.spent).toBe(0);
    });

    it('still refuses a wrong secret, at the price of one bcrypt', async () => {
      const check = await warmCheck();
      check.clients.away = true;
      await elapse(RECHECK_MS);
      const before = check.bcrypt.spent;
      await expect(verify(check, 'wrong')).rejects.toThrow(InvalidApiKeyError);
      expect(check.bcrypt.spent).toBe(before + 1);
      expect(check.service.stats).toMatchObject({ stale: 0, refused: 1 });
    });

    it('still refuses what expired, at the price of one bcrypt', async () => {
      const check = await warmCheck(new FakeRedis(), buildRecord({ expiresAt: Date.now() + RECHECK_MS + 1 }));
      check.clients.away = true;
      await elapse(RECHECK_MS);
      await verify(check);
      await elapse(1);
      const before = check.bcrypt.spent;
      await expect(verify(check)).rejects.toThrow(InvalidApiKeyError);
      expect(check.bcrypt.spent).toBe(before + 1);
    });

    it('that answers nothing is waited for half a second, then left alone for one', async () => {
      const check = await warmCheck();
      check.clients.afterRead = () => new Promise(() => undefined);
      await elapse(RECHECK_MS);
      let answered = false;
      const answer = verify(check).finally(() => {
        answered = true;
      });
      await elapse(PATIENCE_MS - 1);
      expect(answered).toBe(false);
      await elapse(1);
      expect(answered).toBe(true);
      await answer;
      await elapse(REST_MS - 1);
      await verify(check);
      expect(check.clients.reads).toBe(2);
    });

    it('does not bring back what was revoked before: Redis holds it no more', async () => {
      const first = await warmCheck();
      const check = replicaOf(first);
      await verify(check);
      first.clients.records.clear();
      await end(first, '8');
      check.clients.away = true;

      const provisional = await verify(check);
      expect(provisional.fence).not.toBeNull();
      await expect(check.service.verifyAnew(presenting('right'), FREE_ATTEMPT)).rejects.toThrow(AuthUnavailableError);
      await elapse(RECHECK_MS);
      await undecided(check);
      await expect(check.service.verifyAnew(presenting('right'), FREE_ATTEMPT)).rejects.toThrow(AuthUnavailableError);
    });

    it('does not bring back what Redis was never told of, once Redis can be asked', async () => {
      const check = await warmCheck(Object.assign(new FakeRedis(), { usable: false }));
      check.clients.away = true;
      expect(await verify(check)).toMatchObject({ fence: null });
      check.redis.usable = true;
      await undecided(check);
    });

    it('serves what Redis holds to those who authenticate anew', async () => {
      const check = await warmCheck();
      check.clients.away = true;
      const answer = await check.service.verifyAnew(presenting('right'), FREE_ATTEMPT);
      expect(answer.client).toMatchObject({ clientId: CLIENT_ID });
      expect(check.service.stats.stale).toBe(1);
    });

    it('serves from memory when Redis does not answer either', async () => {
      const check = await warmCheck();
      check.clients.away = true;
      check.redis.silent = true;
      await elapse(RECHECK_MS);
      expect(await verify(check)).toMatchObject({ client: { clientId: CLIENT_ID } });
    });
  });

  it('PostgreSQL, and a Redis that stops answering before the breaker opens: no longer than a replica alone may', async () => {
    const check = await warmCheck();
    check.clients.away = true;
    check.redis.silent = true;
    check.registry.silentMs = RECHECK_MS;
    expect(await verify(check)).toMatchObject({ client: { clientId: CLIENT_ID } });
    await elapse(RECHECK_MS);
    check.registry.silentMs = RECHECK_MS + 1;
    await undecided(check);
  });

  describe('confirming', () => {
    const fenceOf = async (check: CredentialCheck) => {
      const { fence } = await verify(check);
      if (fence === null) throw new Error('The answer was certain already.');
      return fence;
    };

    it('says whether Redis still holds the entry', async () => {
      const check = await warmCheck();
      const fence = await fenceOf(check);
      await expect(check.service.confirm(fence)).resolves.toBe(true);
      check.redis.values.clear();
      await expect(check.service.confirm(fence)).resolves.toBe(false);
    });

    it('says no when Redis cannot be asked', async () => {
      const check = await warmCheck();
      const fence = await fenceOf(check);
      check.redis.silent = true;
      await expect(check.service.confirm(fence)).resolves.toBe(false);
    });
  });

  describe('revoking', () => {
    it('ends the entry here and in Redis', async () => {
      const check = await warmCheck();
      const { fence } = await verify(check);
      await end(check, '8');
      expect(check.cache.remembered(CLIENT_ID)).toBeUndefined();
      await expect(check.service.confirm(fence ?? { key: '', stamp: '', ttlMs: 0 })).resolves.toBe(false);
    });

    it('ends it everywhere where there is one process', async () => {
      const check = await warmCheck(FakeRedis.none());
      await end(check, '8');
      expect(check.cache.remembered(CLIENT_ID)).toBeUndefined();
    });

    it.each(['usable', 'silent'] as const)('ends it here when Redis is away (%s)', async (way) => {
      const check = await warmCheck();
      const entry = check.cache.remembered(CLIENT_ID) as RememberedCredential;
      check.redis[way] = way === 'silent';
      await end(check, '8');
      expect(check.cache.remembered(CLIENT_ID)).toBeUndefined();
      check.cache.remember(entry);
      expect(check.cache.remembered(CLIENT_ID)).toBeUndefined();
    });

    it('is not undone by a reader that began before', async () => {
      const check = buildCredentialCheck();
      check.clients.records.set(CLIENT_ID, buildRecord());
      let goOn: () => void = () => undefined;
      check.clients.afterRead = () => new Promise((resolve) => (goOn = resolve));
      const early = verify(check);
      await settle();
      await end(check, check.clients.change(CLIENT_ID, { status: 'disabled' }));
      goOn();
      await early;
      expect(check.cache.remembered(CLIENT_ID)).toBeUndefined();
      check.clients.afterRead = async () => undefined;
      await expect(verify(check)).rejects.toThrow(InvalidApiKeyError);
      await expect(verify(replicaOf(check))).rejects.toThrow(InvalidApiKeyError);
    });

    it('of one secret leaves the other', async () => {
      const check = await warmCheck(
        new FakeRedis(),
        buildRecord({ secrets: [buildSecret('right'), buildSecret('newer')] }),
      );
      await end(check, check.clients.change(CLIENT_ID, { secrets: [buildSecret('newer')] }));
      await expect(verify(check)).rejects.toThrow(InvalidApiKeyError);
      expect(await verify(check, 'newer')).toMatchObject({ client: { clientId: CLIENT_ID } });
    });
  });
});
