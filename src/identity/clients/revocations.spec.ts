import { CLIENT_ID, FakeRegistry, warmCheck } from '../../../test/support/credential-fakes.js';
import type { RedisService } from '../../platform/redis/redis.service.js';
import type { Receipt } from '../../platform/replicas/change.js';
import type { ChangeReceipts } from '../../platform/replicas/change-receipts.service.js';
import type { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import type { ClientsRepository } from './clients.repository.js';
import { Revocations } from './revocations.js';

const CHANGE = { clientId: CLIENT_ID, version: '8', changeId: '80' };

/** Over a warm cache, with receipts as given; says for whom it waited. */
async function setUp(receipt: () => Promise<Receipt>) {
  const check = await warmCheck();
  const waits: unknown[][] = [];
  const receipts = {
    of: (...asked: unknown[]) => {
      waits.push(asked);
      return receipt();
    },
  } as unknown as ChangeReceipts;
  const registry = Object.assign(new FakeRegistry(), { live: 3 }) as unknown as ReplicaRegistry;
  const repository = check.clients as unknown as ClientsRepository;
  const revocations = new Revocations(
    check.redis as unknown as RedisService,
    check.cache,
    repository,
    receipts,
    registry,
  );
  return { ...check, revocations, waits };
}

const everywhere = async (): Promise<Receipt> => ({ everywhere: true });

describe('Revocations', () => {
  it('ends what is cached here and in Redis, and waits for those who can reach neither', async () => {
    const { revocations, cache, redis, waits } = await setUp(everywhere);
    await expect(revocations.follow(CHANGE)).resolves.toEqual({ propagation: 'complete' });
    expect(cache.remembered(CLIENT_ID)).toBeUndefined();
    expect(redis.values.has(`cn:{${CLIENT_ID}}:credential`)).toBe(false);
    expect(waits).toEqual([['80', 'alone']]);
  });

  it.each(['usable', 'silent', 'configured'] as const)(
    'waits for all who may hold it where Redis is not told (%s)',
    async (way) => {
      const { revocations, cache, redis, waits } = await setUp(everywhere);
      redis[way] = way === 'silent';
      await expect(revocations.follow(CHANGE)).resolves.toEqual({ propagation: 'complete' });
      expect(cache.remembered(CLIENT_ID)).toBeUndefined();
      expect(waits).toEqual([['80', 'stale']]);
    },
  );

  it('says how many have not confirmed, and by when they cease', async () => {
    const { revocations } = await setUp(async () => ({ everywhere: false, replicas: 2, boundedBySeconds: 60 }));
    await expect(revocations.follow(CHANGE)).resolves.toEqual({
      propagation: 'pending',
      replicas: 2,
      boundedBySeconds: 60,
    });
  });

  it('promises the least there is when PostgreSQL goes away meanwhile', async () => {
    const { revocations } = await setUp(() => Promise.reject(new Error('connection lost')));
    await expect(revocations.follow(CHANGE)).resolves.toEqual({
      propagation: 'pending',
      replicas: 3,
      boundedBySeconds: 960,
    });
  });

  it('keeps its promise when only the outbox row could not be cleared', async () => {
    const { revocations, clients } = await setUp(everywhere);
    clients.away = true;
    await expect(revocations.follow(CHANGE)).resolves.toEqual({ propagation: 'complete' });
  });
});
