import { FakeRedis } from '../../../test/support/credential-fakes.js';
import {
  buildPrincipalRecord,
  buildPrincipals,
  type FakePrincipals,
  USER_ID,
  warmPrincipals,
} from '../../../test/support/principal-fakes.js';
import { elapse, stopTime } from '../../../test/support/stopped-time.js';
import { AuthUnavailableError } from '../../kernel/app-error.js';

const RECHECK_MS = 60_000;
const STALE_MS = RECHECK_MS + 15 * 60_000;
const FENCE = { key: `cn:{${USER_ID}}:principal`, stamp: '7|', ttlMs: 300_000 };

const resolve = async ({ principals }: FakePrincipals) => principals.resolve(USER_ID);
const undecided = (known: FakePrincipals) => expect(resolve(known)).rejects.toThrow(AuthUnavailableError);

/** Moves time on without leaving the user unused for long enough to be forgotten for that alone. */
async function elapseInUse(known: FakePrincipals, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= RECHECK_MS) {
    await elapse(Math.min(left, RECHECK_MS));
    await resolve(known).catch(() => undefined);
  }
}

describe('PrincipalsService', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  it('reads PostgreSQL once, and then answers at once from memory, behind a fence', async () => {
    const known = buildPrincipals();
    known.people.records.set(USER_ID, buildPrincipalRecord());
    expect(await resolve(known)).toMatchObject({ principal: { userId: USER_ID, version: '7' }, fence: null });
    for (let n = 0; n < 3; n++) {
      expect(known.principals.resolve(USER_ID)).toMatchObject({ principal: { version: '7' }, fence: FENCE });
    }
    expect([known.people.reads, known.principals.stats]).toEqual([
      1,
      { memory: 3, database: 1, stale: 0, unavailable: 0 },
    ]);
  });

  it('gives the same frozen grants for as long as it remembers', async () => {
    const known = await warmPrincipals();
    const [first, second] = [await resolve(known), await resolve(known)];
    expect(first?.principal.grants).toBe(second?.principal.grants);
    expect(Object.isFrozen(first?.principal.grants)).toBe(true);
  });

  it('knows nobody who is not there, and remembers nothing of it', async () => {
    const known = buildPrincipals();
    expect(await resolve(known)).toBeNull();
    known.people.records.set(USER_ID, buildPrincipalRecord());
    expect(await resolve(known)).toMatchObject({ principal: { userId: USER_ID } });
  });

  it('forgets whom PostgreSQL no longer has', async () => {
    const known = await warmPrincipals();
    known.people.records.clear();
    await elapse(RECHECK_MS);
    expect(await resolve(known)).toBeNull();
    expect(known.principals.recall(USER_ID)).toBeNull();
  });

  it('compares what it remembers with PostgreSQL after a minute', async () => {
    const known = await warmPrincipals();
    known.people.change({ status: 'suspended' });
    await elapse(RECHECK_MS - 1);
    expect((await resolve(known))?.principal.status).toBe('active');
    await elapse(1);
    expect((await resolve(known))?.principal.status).toBe('suspended');
  });

  it('many who ask at once cost two reads', async () => {
    const known = buildPrincipals();
    known.people.records.set(USER_ID, buildPrincipalRecord());
    await Promise.all(Array.from({ length: 50 }, () => known.principals.resolveAnew(USER_ID)));
    expect(known.people.reads).toBe(2);
  });

  it('is certain of whoever Redis still names, and looks again where it does not', async () => {
    const known = await warmPrincipals();
    expect(await known.principals.current(USER_ID)).toMatchObject({ version: '7' });
    expect(known.people.reads).toBe(1);
    known.redis.values.clear();
    expect(await known.principals.current(USER_ID)).toMatchObject({ version: '7' });
    expect(known.people.reads).toBe(2);
    known.people.records.clear();
    known.redis.values.clear();
    expect(await known.principals.current(USER_ID)).toBeNull();
    expect(await known.principals.current('usr_nobody')).toBeNull();
  });

  describe('without Redis configured', () => {
    it('goes by memory while every change reaches it', async () => {
      const known = await warmPrincipals({ redis: FakeRedis.none() });
      expect(known.principals.recall(USER_ID)).toMatchObject({ fence: null });
      known.registry.hasLease = false;
      expect(known.principals.recall(USER_ID)).toBeNull();
    });

    it('serves from memory while PostgreSQL is away, for as long as it told the others', async () => {
      const known = await warmPrincipals({ redis: FakeRedis.none() });
      known.people.away = true;
      known.registry.hasLease = false;
      await elapseInUse(known, STALE_MS);
      known.registry.silentMs = STALE_MS;
      expect(await resolve(known)).toMatchObject({ fence: null, principal: { version: '7' } });
      known.registry.silentMs = STALE_MS + 1;
      await undecided(known);
    });
  });

  describe('with Redis away', () => {
    it.each([
      ['the breaker open', { usable: false }],
      ['no call answered', { silent: true }],
    ])('%s: reads PostgreSQL for every request', async (_how, state) => {
      const known = await warmPrincipals();
      Object.assign(known.redis, state);
      if ('silent' in state) await elapse(RECHECK_MS);
      for (const reads of [2, 3]) {
        expect(await resolve(known)).toMatchObject({ fence: null });
        expect(known.people.reads).toBe(reads);
      }
    });
  });

  describe('with PostgreSQL away', () => {
    it('serves what Redis still names, until it is too old', async () => {
      const known = await warmPrincipals();
      known.people.away = true;
      await elapse(RECHECK_MS);
      expect(await resolve(known)).toMatchObject({ fence: FENCE, principal: { version: '7' } });
      expect(known.principals.stats.stale).toBe(1);
      await elapseInUse(known, STALE_MS - RECHECK_MS);
      expect(await resolve(known)).toMatchObject({ principal: { version: '7' } });
      await elapse(1);
      await undecided(known);
    });

    it('serves nobody whom Redis no longer names', async () => {
      const known = await warmPrincipals();
      known.people.away = true;
      await elapse(RECHECK_MS);
      known.redis.values.set(FENCE.key, '8|');
      await undecided(known);
    });

    it('knows nothing of whom it never read', async () => {
      const known = buildPrincipals();
      known.people.away = true;
      await undecided(known);
      expect(known.principals.stats.unavailable).toBe(1);
    });

    it('serves nobody whose version Redis was never told', async () => {
      const known = buildPrincipals();
      known.redis.usable = false;
      known.people.records.set(USER_ID, buildPrincipalRecord());
      await resolve(known);
      known.redis.usable = true;
      known.people.away = true;
      await undecided(known);
    });
  });

  it('with both away serves from memory for as long as it told the others', async () => {
    const known = await warmPrincipals();
    known.people.away = true;
    known.redis.silent = true;
    await elapse(RECHECK_MS);
    known.registry.silentMs = RECHECK_MS;
    expect(await resolve(known)).toMatchObject({ principal: { version: '7' } });
    known.redis.usable = false;
    expect(await resolve(known)).toMatchObject({ principal: { version: '7' }, fence: null });
    known.registry.silentMs = RECHECK_MS + 1;
    await undecided(known);
  });

  describe('told of a change', () => {
    it('ends what it remembers from before, and lets nobody remember it again', async () => {
      const known = await warmPrincipals();
      let release = () => {};
      known.people.afterRead = () =>
        new Promise((done) => {
          release = done;
        });
      const slow = known.principals.resolveAnew(USER_ID);
      await elapse(0);
      known.principals.endLocally(USER_ID, '8');
      known.people.afterRead = async () => undefined;
      release();
      expect(await slow).toMatchObject({ principal: { version: '7' }, fence: null });
      expect(known.principals.recall(USER_ID)).toBeNull();
    });

    it('of everybody ends all of them, and what was read until then', async () => {
      const known = await warmPrincipals();
      known.principals.endLocally('*', '9');
      expect(known.principals.recall(USER_ID)).toBeNull();
      await resolve(known);
      expect(known.principals.recall(USER_ID)).toBeNull();
      await elapse(2_000);
      await resolve(known);
      expect(known.principals.recall(USER_ID)).not.toBeNull();
    });

    it('forgets everybody when it may have missed one', async () => {
      const known = await warmPrincipals();
      known.principals.forgetAll();
      expect(known.principals.recall(USER_ID)).toBeNull();
    });
  });

  it('does not remember what Redis knows to be older than the user', async () => {
    const known = buildPrincipals();
    known.people.records.set(USER_ID, buildPrincipalRecord());
    known.redis.values.set(FENCE.key, '8|');
    expect(await resolve(known)).toMatchObject({ principal: { version: '7' }, fence: null });
    expect(known.principals.recall(USER_ID)).toBeNull();
  });
});
