import { UNRESTRICTED } from '../../../test/support/attempts.js';
import {
  buildCredentialCheck,
  buildRecord,
  CLIENT_ID,
  FakeRedis,
  OTHER_ID,
} from '../../../test/support/credential-fakes.js';
import { elapse, stopTime } from '../../../test/support/stopped-time.js';
import { RedisUnavailableError } from '../../platform/redis/redis.service.js';
import type { CachedCredential } from './cached-credential.js';
import { clientAuthOf, type RememberedCredential } from './credential-cache.js';

const ENTRY_KEY = `cn:{${CLIENT_ID}}:credential`;
const FENCE_KEY = `cn:{${CLIENT_ID}}:fence`;
const DAY_MS = 24 * 3600 * 1000;

function buildCredential(overrides: Partial<CachedCredential> = {}): CachedCredential {
  return {
    ...buildRecord(),
    secrets: [{ id: 'a', hashedSecret: 'hash of right', hint: 'abcd', expiresAt: null, digest: 'd' }],
    checkedAt: Date.now(),
    ...overrides,
  };
}

/** An entry as this process would have it from a Redis nobody can ask any more. */
function entryOf(overrides: Partial<CachedCredential> = {}): RememberedCredential {
  const credential = buildCredential(overrides);
  return { credential, client: clientAuthOf(credential), fence: null };
}

function buildCache(redis = new FakeRedis(), ttlSeconds = 300) {
  return buildCredentialCheck({ redis, overrides: { AUTH_CACHE_TTL_SECONDS: String(ttlSeconds) } });
}

describe('CredentialCache', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  it('makes its scripts known to Redis, with the number of keys each takes', () => {
    const { redis } = buildCache();
    expect(redis.scripts.map(({ name, keys }) => [name, keys])).toEqual([
      ['credentialPut', 2],
      ['credentialFence', 2],
      ['credentialConfirm', 0],
    ]);
  });

  describe('putting', () => {
    it('writes the sealed entry with its version and expiry, and remembers it under the stamp it was written with', async () => {
      const { cache, redis, seal } = buildCache();
      const credential = buildCredential();
      await cache.put(credential);
      const text = redis.values.get(ENTRY_KEY) ?? '';
      expect(redis.calls).toEqual([
        { name: 'credentialPut', keys: [ENTRY_KEY, FENCE_KEY], args: ['7', text, 300_000] },
      ]);
      const opened = seal.open(text, CLIENT_ID);
      expect(opened?.credential).toEqual(credential);
      expect(cache.remembered(CLIENT_ID)).toEqual({
        credential,
        client: clientAuthOf(credential),
        fence: { key: ENTRY_KEY, stamp: opened?.stamp, ttlMs: 300_000 },
      });
    });

    it('remembers nothing that the fence in Redis refused', async () => {
      const { cache, redis } = buildCache();
      redis.values.set(FENCE_KEY, '8');
      await cache.put(buildCredential());
      expect(redis.values.has(ENTRY_KEY)).toBe(false);
      expect(cache.remembered(CLIENT_ID)).toBeUndefined();
    });

    it('without Redis remembers it here alone', async () => {
      const { cache, redis } = buildCache(Object.assign(new FakeRedis(), { usable: false }));
      await cache.put(buildCredential());
      expect(cache.remembered(CLIENT_ID)?.fence).toBeNull();
      expect(redis.calls).toEqual([]);
    });

    it('with a Redis that does not answer remembers it here alone', async () => {
      const { cache } = buildCache(Object.assign(new FakeRedis(), { silent: true }));
      await cache.put(buildCredential());
      expect(cache.remembered(CLIENT_ID)).toMatchObject({ credential: { clientId: CLIENT_ID }, fence: null });
    });

    it.each(['usable', 'silent'] as const)(
      'remembers nothing below the fence of this process (Redis: %s)',
      async (way) => {
        const { cache } = buildCache(Object.assign(new FakeRedis(), { [way]: way === 'silent' }));
        cache.raiseLocalFence(CLIENT_ID, '8');
        await cache.put(buildCredential());
        expect(cache.remembered(CLIENT_ID)).toBeUndefined();
      },
    );
  });

  describe('fetching', () => {
    it('gives what another replica wrote, ready for use', async () => {
      const { cache, redis } = buildCache();
      await cache.put(buildCredential());
      const other = buildCache(redis);
      expect(await other.cache.fetch(CLIENT_ID)).toEqual(cache.remembered(CLIENT_ID));
      expect(other.cache.remembered(CLIENT_ID)).toBeUndefined();
    });

    it.each([
      ['nothing', () => undefined],
      ['garbage', (redis: FakeRedis) => redis.values.set(ENTRY_KEY, 'garbage')],
      [
        "another client's entry",
        (redis: FakeRedis) =>
          redis.values.set(ENTRY_KEY, redis.values.get(ENTRY_KEY.replace(CLIENT_ID, OTHER_ID)) ?? ''),
      ],
    ])('takes %s as a miss', async (_what, spoil) => {
      const { cache, redis } = buildCache();
      await cache.put(buildCredential({ clientId: OTHER_ID }));
      spoil(redis);
      await expect(cache.fetch(CLIENT_ID)).resolves.toBeNull();
    });

    it('takes an entry older than a revocation made here as a miss: Redis fell back to an older copy of itself', async () => {
      const { cache, redis } = buildCache();
      await cache.put(buildCredential());
      const older = redis.values.get(ENTRY_KEY) ?? '';
      cache.raiseLocalFence(CLIENT_ID, '8');
      redis.values.set(ENTRY_KEY, older);
      await expect(cache.fetch(CLIENT_ID)).resolves.toBeNull();
    });

    it('rejects when Redis cannot be asked', async () => {
      const { cache } = buildCache(FakeRedis.none());
      await expect(cache.fetch(CLIENT_ID)).rejects.toThrow(RedisUnavailableError);
    });
  });

  describe('the fence of this process', () => {
    it.each([
      ['6', false],
      ['7', false],
      ['8', true],
      ['9', true],
      ['10', true],
    ])('at 8: version %s may be remembered: %s', (version, may) => {
      const { cache } = buildCache();
      cache.raiseLocalFence(CLIENT_ID, '8');
      cache.remember(entryOf({ version }));
      expect(cache.remembered(CLIENT_ID) !== undefined).toBe(may);
    });

    it('is never lowered', () => {
      const { cache } = buildCache();
      cache.raiseLocalFence(CLIENT_ID, '8');
      cache.raiseLocalFence(CLIENT_ID, '6');
      cache.remember(entryOf({ version: '7' }));
      expect(cache.remembered(CLIENT_ID)).toBeUndefined();
    });

    it('ends what is remembered of this client and no other', () => {
      const { cache } = buildCache();
      cache.remember(entryOf());
      cache.remember(entryOf({ clientId: OTHER_ID }));
      cache.raiseLocalFence(CLIENT_ID, '8');
      expect(cache.remembered(CLIENT_ID)).toBeUndefined();
      expect(cache.remembered(OTHER_ID)).toBeDefined();
    });

    it('stands for a day', async () => {
      const { cache } = buildCache();
      cache.raiseLocalFence(CLIENT_ID, '8');
      await elapse(DAY_MS);
      cache.remember(entryOf());
      expect(cache.remembered(CLIENT_ID)).toBeUndefined();
      await elapse(1);
      cache.remember(entryOf());
      expect(cache.remembered(CLIENT_ID)).toBeDefined();
    });
  });

  it('raises the fence in Redis for a day, and deletes the entry', async () => {
    const { cache, redis } = buildCache();
    await cache.put(buildCredential());
    await cache.raiseFence(CLIENT_ID, '8');
    expect(redis.calls.at(-1)).toEqual({ name: 'credentialFence', keys: [ENTRY_KEY, FENCE_KEY], args: ['8', DAY_MS] });
    expect(redis.values.has(ENTRY_KEY)).toBe(false);
  });

  it('says that the fence in Redis could not be raised', async () => {
    const { cache } = buildCache(FakeRedis.none());
    await expect(cache.raiseFence(CLIENT_ID, '8')).rejects.toThrow(RedisUnavailableError);
  });

  it('confirms what Redis holds under the same stamp', async () => {
    const { cache, redis } = buildCache();
    await cache.put(buildCredential());
    const fence = cache.remembered(CLIENT_ID)?.fence ?? { key: '', stamp: '', ttlMs: 0 };
    await expect(cache.confirm(fence)).resolves.toBe(true);
    await cache.put(buildCredential());
    await expect(cache.confirm(fence)).resolves.toBe(false);
    redis.usable = false;
    await expect(cache.confirm(fence)).rejects.toThrow(RedisUnavailableError);
  });

  it('remembers for the time to live, and longer when it is slid', async () => {
    const { cache } = buildCache(new FakeRedis(), 10);
    cache.remember(entryOf());
    await elapse(6_000);
    expect(cache.remembered(CLIENT_ID)).toBeDefined();
    cache.slide(CLIENT_ID);
    await elapse(10_000);
    expect(cache.remembered(CLIENT_ID)).toBeDefined();
    await elapse(1);
    expect(cache.remembered(CLIENT_ID)).toBeUndefined();
  });

  it('looking does not slide', async () => {
    const { cache } = buildCache(new FakeRedis(), 10);
    cache.remember(entryOf());
    await elapse(6_000);
    cache.remembered(CLIENT_ID);
    await elapse(4_001);
    expect(cache.remembered(CLIENT_ID)).toBeUndefined();
  });

  it('forgets one client on demand', () => {
    const { cache } = buildCache();
    cache.remember(entryOf());
    cache.remember(entryOf({ clientId: OTHER_ID }));
    cache.forget(CLIENT_ID);
    expect(cache.remembered(CLIENT_ID)).toBeUndefined();
    expect(cache.remembered(OTHER_ID)).toBeDefined();
  });

  it('remembers 50,000 clients, and 100,000 fences', () => {
    const { cache } = buildCache();
    const entry = entryOf();
    const rememberAs = (clientId: string) =>
      cache.remember({ ...entry, credential: { ...entry.credential, clientId } });
    for (let index = 0; index <= 50_000; index++) rememberAs(`client ${index}`);
    expect(cache.remembered('client 0')).toBeUndefined();
    expect(cache.remembered('client 1')).toBeDefined();

    for (let index = 1; index <= 100_000; index++) cache.raiseLocalFence(`client ${index}`, '8');
    rememberAs('client 0');
    rememberAs('client 1');
    expect(cache.remembered('client 0')).toBeDefined();
    expect(cache.remembered('client 1')).toBeUndefined();
  });

  it('puts whoever lost its fence behind one that all share, until it is read again', async () => {
    const { cache } = buildCache();
    for (let index = 0; index <= 100_000; index++) cache.raiseLocalFence(`client ${index}`, '8');
    cache.remember(entryOf({ clientId: 'client 0' }));
    expect(cache.remembered('client 0')).toBeUndefined();
    cache.remember(entryOf({ clientId: 'client 0', checkedAt: Date.now() + 1_000 }));
    expect(cache.remembered('client 0')).toBeDefined();
  });

  it('forgets everything on demand', () => {
    const { cache } = buildCache();
    cache.remember(entryOf());
    cache.forgetAll();
    expect(cache.remembered(CLIENT_ID)).toBeUndefined();
    cache.remember(entryOf());
    expect(cache.remembered(CLIENT_ID)).toBeDefined();
  });

  it('ends everything on demand: nothing that was read before comes back', () => {
    const { cache } = buildCache();
    const entry = entryOf();
    cache.remember(entry);
    cache.endAll();
    expect(cache.remembered(CLIENT_ID)).toBeUndefined();
    cache.remember(entry);
    expect(cache.remembered(CLIENT_ID)).toBeUndefined();
  });
});

describe('clientAuthOf', () => {
  it('gives a state that nobody can change, because all requests of the client share it', () => {
    const scopes = ['llm:invoke'];
    const client = clientAuthOf(buildCredential({ scopes }));
    scopes.push('admin');
    expect(client).toEqual({
      kind: 'client',
      method: 'client',
      owner: null,
      tokenId: null,
      clientId: CLIENT_ID,
      tier: 'paid',
      scopes: ['llm:invoke'],
      ...UNRESTRICTED,
      providerToken: null,
    });
    expect([Object.isFrozen(client), Object.isFrozen(client.scopes)]).toEqual([true, true]);
  });
});
