import { FakeRedis } from '../../../test/support/credential-fakes.js';
import type { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { type RedisService, RedisUnavailableError } from '../../platform/redis/redis.service.js';
import type { PrincipalChanges } from '../principals/principal-changes.service.js';
import type { ClientsRepository, PendingFence } from './clients.repository.js';
import type { CredentialCache } from './credential-cache.js';
import { FenceCarrier } from './fence-carrier.js';

/** A carrier of two waiting rows, to a Redis whose master of client `a` may be away. */
function setUp({ redis = new FakeRedis(), away = false } = {}) {
  const raised: string[] = [];
  const removed: string[] = [];
  const repository = {
    pendingFences: async () => ['a', 'b'].map((clientId) => ({ clientId, version: '7' })),
    removeFences: async (fences: readonly PendingFence[]) =>
      void removed.push(...fences.map(({ clientId }) => clientId)),
  } as unknown as ClientsRepository;
  const cache = {
    raiseFence: async (clientId: string) => {
      if (away && clientId === 'a') throw new RedisUnavailableError();
      raised.push(clientId);
    },
  } as unknown as CredentialCache;
  const recovered: (() => void)[] = [];
  const service = Object.assign(redis, { onRecovered: (listener: () => void) => void recovered.push(listener) });
  const periodic = { every: () => undefined } as unknown as PeriodicService;
  const followers: (() => Promise<void>)[] = [];
  const principals = {
    onFollow: (follower: () => Promise<void>) => void followers.push(follower),
  } as unknown as PrincipalChanges;
  const carrier = new FenceCarrier(repository, cache, service as unknown as RedisService, periodic, principals);
  carrier.onModuleInit();
  return { carrier, raised, removed, recovered, followers };
}

describe('FenceCarrier', () => {
  it('carries what waits, and clears it', async () => {
    const { carrier, raised, removed } = setUp();
    await carrier.carry();
    expect([raised, removed]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  it('keeps no client waiting for the master of another', async () => {
    const { carrier, raised, removed } = setUp({ away: true });
    await carrier.carry();
    expect([raised, removed]).toEqual([['b'], ['b']]);
  });

  it('waits while all of Redis is away', async () => {
    const { carrier, removed } = setUp({ redis: Object.assign(new FakeRedis(), { usable: false }) });
    await carrier.carry();
    expect(removed).toEqual([]);
  });

  it('has nowhere to carry to without Redis', async () => {
    const { carrier, raised, removed } = setUp({ redis: FakeRedis.none() });
    await carrier.carry();
    expect([raised, removed]).toEqual([[], ['a', 'b']]);
  });

  it('carries once for all who ask at once, and when Redis is back', async () => {
    const { carrier, raised, recovered } = setUp();
    recovered[0]?.();
    await carrier.carry();
    expect(raised).toEqual(['a', 'b']);
  });

  it('carries at once for whoever waits for it, not what had begun before', async () => {
    const { carrier, raised } = setUp();
    void carrier.carry();
    await carrier.carryNow();
    expect(raised).toEqual(['a', 'b', 'a', 'b']);
  });

  it('carries what a change of a user left word of', async () => {
    const { raised, followers } = setUp();
    await followers[0]?.();
    expect(raised).toEqual(['a', 'b']);
  });

  it.each([
    ['Redis', { redis: Object.assign(new FakeRedis(), { usable: false }) }],
    ['the master of one client', { away: true }],
  ])('says so when %s is away', async (_what, parts) => {
    await expect(setUp(parts).carrier.carryNow()).rejects.toThrow(RedisUnavailableError);
  });
});
