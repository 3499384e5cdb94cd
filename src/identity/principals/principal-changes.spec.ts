import { FakeRedis } from '../../../test/support/credential-fakes.js';
import { buildPrincipals, USER_ID, warmPrincipals } from '../../../test/support/principal-fakes.js';

const CHANGE = { userId: USER_ID, version: '8', changeIds: ['11', '12'] };
const KEY = `cn:{${USER_ID}}:principal`;

describe('PrincipalChanges', () => {
  it('ends what this process remembers, tells Redis, and waits for every receipt', async () => {
    const known = await warmPrincipals();
    await expect(known.changes.follow(CHANGE)).resolves.toEqual({ propagation: 'complete' });
    expect(known.principals.recall(USER_ID)).toBeNull();
    expect(known.redis.values.get(KEY)).toBe('8|');
    expect(known.asked).toEqual([
      { id: '11', window: 'alone' },
      { id: '12', window: 'alone' },
    ]);
  });

  it.each([
    ['away', Object.assign(new FakeRedis(), { silent: true })],
    ['not configured', FakeRedis.none()],
  ])('waits for those that Redis would have held back where it is %s', async (_how, redis) => {
    const known = buildPrincipals({ redis });
    await known.changes.follow(CHANGE);
    expect(known.asked.map(({ window }) => window)).toEqual(['stale', 'stale']);
  });

  it('says for how long replicas that have not confirmed it may go on', async () => {
    const known = buildPrincipals({ receipt: { everywhere: false, replicas: 2, boundedBySeconds: 60 } });
    await expect(known.changes.follow(CHANGE)).resolves.toEqual({
      propagation: 'pending',
      replicas: 2,
      boundedBySeconds: 60,
    });
  });

  it('names the longest bound there is when PostgreSQL goes away meanwhile', async () => {
    const known = buildPrincipals({ receipt: 'lost' });
    await expect(known.changes.follow(CHANGE)).resolves.toEqual({
      propagation: 'pending',
      replicas: 1,
      boundedBySeconds: 960,
    });
  });

  it('calls whoever keeps something of the user in Redis, and outlives their failure', async () => {
    const known = buildPrincipals();
    const seen: string[] = [];
    known.changes.onFollow(async () => {
      throw new Error('Redis is away');
    });
    known.changes.onFollow(async (userId) => void seen.push(userId));
    await expect(known.changes.follow(CHANGE)).resolves.toEqual({ propagation: 'complete' });
    expect(seen).toEqual([USER_ID]);
  });

  it('never lowers what Redis names', async () => {
    const known = buildPrincipals();
    known.redis.values.set(KEY, '9|');
    await known.changes.follow(CHANGE);
    expect(known.redis.values.get(KEY)).toBe('9|');
  });
});
