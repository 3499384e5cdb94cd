import { FREE_ATTEMPT, UNRESTRICTED } from '../../../test/support/attempts.js';
import {
  buildCredentialCheck,
  buildRecord,
  buildSecret,
  CLIENT_ID,
  type CredentialCheck,
  coldCheck,
  cost,
  FakeClients,
  FakeRedis,
  OTHER_ID,
  presenting,
  warmCheck,
} from '../../../test/support/credential-fakes.js';
import { elapse, settle, stopTime } from '../../../test/support/stopped-time.js';
import { InvalidApiKeyError } from '../../kernel/app-error.js';
import { generateClientId, generateCredential } from './api-key.js';

const RECHECK_MS = 60_000;

async function refused({ service }: CredentialCheck, credential = presenting('right')): Promise<void> {
  const before = service.stats.refused;
  await expect((async () => service.verify(credential, FREE_ATTEMPT))()).rejects.toThrow(InvalidApiKeyError);
  expect(service.stats.refused).toBe(before + 1);
}

describe('CredentialService', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  it('reads an api key, and an id and secret that came apart, without I/O', async () => {
    const { service, redis, clients } = buildCredentialCheck();
    const made = generateCredential(generateClientId('live'));
    const secret = made.secret.reveal();
    expect(service.readApiKey(made.apiKey.reveal())).toMatchObject({ clientId: made.clientId });
    expect(service.readApiKey(made.apiKey.reveal())?.secret.reveal()).toBe(secret);
    expect(service.readPair(made.clientId, made.clientSecret.reveal())?.secret.reveal()).toBe(secret);
    expect(service.readApiKey('garbage')).toBeNull();
    expect(service.readPair(made.clientId, 'garbage')).toBeNull();
    expect([redis.calls.length, clients.reads]).toEqual([0, 0]);
  });

  it('says within how many seconds a change is noticed', () => {});

  describe('that remembers nothing', () => {
    it('reads PostgreSQL and hashes once; the answer is certain', async () => {
      const check = coldCheck();
      expect(
        await cost(check, async () => {
          expect(await check.service.verify(presenting('right'), FREE_ATTEMPT)).toEqual({
            client: {
              kind: 'client',
              method: 'client',
              owner: null,
              tokenId: null,
              clientId: CLIENT_ID,
              tier: 'paid',
              scopes: ['llm:invoke'],
              ...UNRESTRICTED,
              providerToken: null,
            },
            fence: null,
          });
        }),
      ).toEqual({ reads: 1, hashes: 1, calls: 2 });
      expect(check.service.stats).toEqual({ memory: 0, redis: 0, database: 1, stale: 0, refused: 0, unavailable: 0 });
      expect(check.service.comparisons).toBe(1);
    });

    it('notes which secret was used, whoever remembered it', async () => {
      const check = await warmCheck();
      expect(check.uses).toEqual(['id of right']);
      check.service.verify(presenting('right'), FREE_ATTEMPT);
      expect(check.uses).toEqual(['id of right', 'id of right']);
    });

    it('writes to Redis once or twice for all who present the same secret at once, and hashes once', async () => {
      const check = coldCheck();
      await Promise.all(Array.from({ length: 50 }, () => check.service.verify(presenting('right'), FREE_ATTEMPT)));
      expect(check.redis.count('credentialPut')).toBeLessThanOrEqual(2);
      expect(check.bcrypt.spent).toBe(1);
    });

    it('writes to Redis for each of two secrets presented at once', async () => {
      const check = coldCheck();
      check.clients.records.set(CLIENT_ID, buildRecord({ secrets: [buildSecret('right'), buildSecret('newer')] }));
      await Promise.all(['right', 'newer'].map((text) => check.service.verify(presenting(text), FREE_ATTEMPT)));
      expect(check.redis.count('credentialPut')).toBe(2);
    });

    it('writes again when it checked again', async () => {
      const check = await warmCheck();
      await elapse(RECHECK_MS);
      await check.service.verify(presenting('right'), FREE_ATTEMPT);
      expect(check.redis.count('credentialPut')).toBe(2);
    });
  });

  describe('that remembers', () => {
    it('answers at once and provisionally, for nothing', async () => {
      const check = await warmCheck();
      expect(
        await cost(check, () => {
          const answer = check.service.verify(presenting('right'), FREE_ATTEMPT);
          expect(answer).not.toBeInstanceOf(Promise);
          expect(answer).toMatchObject({ client: { clientId: CLIENT_ID }, fence: { ttlMs: 300_000 } });
        }),
      ).toEqual({ reads: 0, hashes: 0, calls: 0 });
      expect(check.service.stats.memory).toBe(1);
    });

    it.each([
      ['to the last millisecond of the recheck', RECHECK_MS - 1, 0],
      ['and reads PostgreSQL from then on', RECHECK_MS, 1],
    ])('answers %s', async (_what, after, reads) => {
      const check = await warmCheck();
      await elapse(after);
      expect(await cost(check, () => check.service.verify(presenting('right'), FREE_ATTEMPT))).toMatchObject({
        reads,
        hashes: 0,
      });
    });

    it('counts the recheck from before the read: what changed during it is noticed as soon', async () => {
      const check = coldCheck();
      check.clients.afterRead = () => new Promise((resolve) => setTimeout(resolve, 1_000));
      const cold = check.service.verify(presenting('right'), FREE_ATTEMPT);
      await elapse(1_000);
      await cold;
      await elapse(RECHECK_MS - 1_001);
      expect(check.service.verify(presenting('right'), FREE_ATTEMPT)).not.toBeInstanceOf(Promise);
      await elapse(1);
      expect(check.service.verify(presenting('right'), FREE_ATTEMPT)).toBeInstanceOf(Promise);
    });

    it('does not trust what was checked in the future, as when the clock was set back', async () => {
      const check = await warmCheck();
      jest.setSystemTime(Date.now() - 1);
      expect(await cost(check, () => check.service.verify(presenting('right'), FREE_ATTEMPT))).toMatchObject({
        reads: 1,
        hashes: 0,
      });
    });

    it('asks Redis about any other secret, and never PostgreSQL', async () => {
      const check = await warmCheck();
      expect(await cost(check, () => refused(check, presenting('wrong')))).toEqual({ reads: 0, hashes: 1, calls: 1 });
    });

    it('reads PostgreSQL on demand, without hashing what it knows', async () => {
      const check = await warmCheck();
      check.clients.change(CLIENT_ID, { scopes: [] });
      expect(
        await cost(check, async () => {
          const answer = await check.service.verifyAnew(presenting('right'), FREE_ATTEMPT);
          expect(answer).toMatchObject({ client: { scopes: [] }, fence: null });
        }),
      ).toMatchObject({ reads: 1, hashes: 0 });
    });

    it('is not believed on demand: a deleted client is refused', async () => {
      const check = await warmCheck();
      check.clients.records.clear();
      await expect(check.service.verifyAnew(presenting('right'), FREE_ATTEMPT)).rejects.toThrow(InvalidApiKeyError);
      expect(check.cache.remembered(CLIENT_ID)).toBeUndefined();
    });
  });

  describe('that finds an entry in Redis', () => {
    async function second(record = buildRecord()) {
      const first = coldCheck();
      first.clients.records.set(CLIENT_ID, record);
      await first.service.verify(presenting('right'), FREE_ATTEMPT);
      return { first, check: buildCredentialCheck({ redis: first.redis, clients: first.clients }) };
    }

    it('neither reads PostgreSQL nor hashes, and remembers it provisionally', async () => {
      const { check } = await second();
      expect(
        await cost(check, async () => {
          expect(await check.service.verify(presenting('right'), FREE_ATTEMPT)).toMatchObject({
            fence: { ttlMs: 300_000 },
          });
        }),
      ).toEqual({ reads: 0, hashes: 0, calls: 1 });
      expect(check.service.stats).toMatchObject({ redis: 1, database: 0 });
      expect(check.service.verify(presenting('right'), FREE_ATTEMPT)).not.toBeInstanceOf(Promise);
    });

    it('hashes a secret that nobody presented yet, and leaves the digest for the others', async () => {
      const { first, check } = await second(buildRecord({ secrets: [buildSecret('newer'), buildSecret('right')] }));
      expect(await cost(check, () => check.service.verify(presenting('newer'), FREE_ATTEMPT))).toEqual({
        reads: 0,
        hashes: 1,
        calls: 2,
      });
      const hashes = first.bcrypt.spent;
      await first.service.verify(presenting('newer'), FREE_ATTEMPT);
      await first.service.verify(presenting('right'), FREE_ATTEMPT);
      expect(first.bcrypt.spent).toBe(hashes);
    });

    it('is certain of what it hashed itself', async () => {
      const { check } = await second(buildRecord({ secrets: [buildSecret('right'), buildSecret('newer')] }));
      expect(await check.service.verify(presenting('newer'), FREE_ATTEMPT)).toMatchObject({ fence: null });
    });

    it('takes over what another replica wrote after its fence broke, and breaks no fence in turn', async () => {
      const { first, check } = await second();
      const broken = first.cache.remembered(CLIENT_ID)?.fence ?? null;
      await check.service.verifyAnew(presenting('right'), FREE_ATTEMPT);
      const again = await cost(first, async () => {
        const answer = await first.service.verifyAnew(presenting('right'), FREE_ATTEMPT, broken);
        expect(answer).toMatchObject({ client: { clientId: CLIENT_ID }, fence: null });
      });
      expect(again).toEqual({ reads: 0, hashes: 0, calls: 1 });
      const fences = [first, check].map(({ cache }) => cache.remembered(CLIENT_ID)?.fence);
      expect(fences[0]).toEqual(fences[1]);
      expect(fences[0]).not.toEqual(broken);
    });

    it.each([
      ['is still there', async () => undefined],
      ['is gone', async ({ redis }: CredentialCheck) => redis.values.clear()],
      ['is due', async () => elapse(RECHECK_MS)],
    ])('reads PostgreSQL for a fence that did not hold where the entry %s', async (_name, become) => {
      const { first } = await second();
      const broken = first.cache.remembered(CLIENT_ID)?.fence ?? null;
      await become(first);
      first.clients.change(CLIENT_ID, { status: 'disabled' });
      const anew = first.service.verifyAnew(presenting('right'), FREE_ATTEMPT, broken);
      await expect(anew).rejects.toThrow(InvalidApiKeyError);
    });

    it('carries the digest over a recheck', async () => {
      const { check } = await second();
      await elapse(RECHECK_MS);
      expect(await cost(check, () => check.service.verify(presenting('right'), FREE_ATTEMPT))).toMatchObject({
        reads: 1,
        hashes: 0,
      });
    });

    it('carries no digest to another hash of the same id', async () => {
      const { check } = await second();
      check.clients.change(CLIENT_ID, { secrets: [{ ...buildSecret('newer'), id: 'id of right' }] });
      await elapse(RECHECK_MS);
      expect(await cost(check, () => refused(check))).toMatchObject({ reads: 1, hashes: 1 });
    });

    it('carries no digest to another id of the same hash', async () => {
      const { check } = await second();
      check.clients.change(CLIENT_ID, { secrets: [{ ...buildSecret('right'), id: 'another id' }] });
      await elapse(RECHECK_MS);
      expect(await cost(check, () => check.service.verify(presenting('right'), FREE_ATTEMPT))).toMatchObject({
        reads: 1,
        hashes: 1,
      });
    });
  });

  it('without Redis configured answers from memory with certainty, and each success slides its expiry', async () => {
    const check = await warmCheck({ redis: FakeRedis.none(), overrides: { AUTH_CACHE_TTL_SECONDS: '10' } });
    for (const step of [6_000, 6_000, 6_000]) {
      await elapse(step);
      expect(check.service.verify(presenting('right'), FREE_ATTEMPT)).toMatchObject({ fence: null });
    }
    await elapse(10_001);
    expect(await cost(check, () => check.service.verify(presenting('right'), FREE_ATTEMPT))).toMatchObject({
      reads: 1,
    });
  });

  it('with Redis configured does not slide its own expiry: Redis holds the entry or nobody does', async () => {
    const check = await warmCheck({ overrides: { AUTH_CACHE_TTL_SECONDS: '10' } });
    await elapse(6_000);
    await check.service.verify(presenting('right'), FREE_ATTEMPT);
    await elapse(4_001);
    expect(await cost(check, () => check.service.verify(presenting('right'), FREE_ATTEMPT))).toEqual({
      reads: 0,
      hashes: 0,
      calls: 1,
    });
  });

  it('keeps two clients with the same secret apart', async () => {
    const clients = new FakeClients();
    const check = coldCheck({ clients });
    clients.records.set(OTHER_ID, buildRecord({ clientId: OTHER_ID, scopes: ['admin'] }));
    const [one, other] = await Promise.all(
      [CLIENT_ID, OTHER_ID].map((id) => check.service.verify(presenting('right', id), FREE_ATTEMPT)),
    );
    await settle();
    expect(one?.client).toMatchObject({ clientId: CLIENT_ID, scopes: ['llm:invoke'] });
    expect(other?.client).toMatchObject({ clientId: OTHER_ID, scopes: ['admin'] });
  });
});
