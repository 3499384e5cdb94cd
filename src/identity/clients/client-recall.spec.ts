import { FREE_ATTEMPT } from '../../../test/support/attempts.js';
import {
  buildCredentialCheck,
  CLIENT_ID,
  type CredentialCheck,
  coldCheck,
  FakeRedis,
  presenting,
  warmCheck,
} from '../../../test/support/credential-fakes.js';
import { elapse, stopTime } from '../../../test/support/stopped-time.js';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import type { RedisService } from '../../platform/redis/redis.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { ClientRecall } from './client-recall.service.js';

const RECHECK_MS = 60_000;

const recallOf = ({ redis, cache, reader }: CredentialCheck) =>
  new ClientRecall(new DatabaseClock(new Clock()), redis as unknown as RedisService, cache, reader);

describe('ClientRecall', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  it('knows at once what the credential check remembers, behind the same fence', async () => {
    const check = await warmCheck();
    const recall = recallOf(check);
    expect(recall.recall(CLIENT_ID)).toMatchObject({
      client: { clientId: CLIENT_ID },
      tokens: { epoch: '0.0', revoked: [] },
      fence: { key: `cn:{${CLIENT_ID}}:credential` },
    });
    expect(recall.recall('cn_live_nobody')).toBeNull();
  });

  it('asks PostgreSQL where nothing is remembered, and leaves what it read for the credential check', async () => {
    const check = coldCheck();
    const recall = recallOf(check);
    expect(recall.recall(CLIENT_ID)).toBeNull();
    expect(await recall.recallAnew(CLIENT_ID)).toMatchObject({ client: { clientId: CLIENT_ID }, fence: null });
    expect(check.clients.reads).toBe(1);
    expect(await check.service.verify(presenting('right'), FREE_ATTEMPT)).toMatchObject({
      client: { clientId: CLIENT_ID },
    });
    expect([check.clients.reads, check.bcrypt.spent]).toEqual([1, 1]);
  });

  it('keeps the digests of secrets that were presented', async () => {
    const check = await warmCheck();
    await recallOf(check).recallAnew(CLIENT_ID, true);
    await check.service.verify(presenting('right'), FREE_ATTEMPT);
    expect(check.bcrypt.spent).toBe(1);
  });

  it('goes by what Redis holds, unless PostgreSQL is wanted', async () => {
    const check = await warmCheck();
    const other = buildCredentialCheck({ redis: check.redis, clients: check.clients });
    expect(await recallOf(other).recallAnew(CLIENT_ID)).toMatchObject({ fence: null });
    expect(check.clients.reads).toBe(1);
    await recallOf(other).recallAnew(CLIENT_ID, true);
    expect(check.clients.reads).toBe(2);
  });

  it.each([{ status: 'disabled' }, { expiresAt: 1 }])('lets in no client that is %j', async (changes) => {
    const check = coldCheck();
    check.clients.change(CLIENT_ID, changes);
    expect(await recallOf(check).recallAnew(CLIENT_ID)).toBeNull();
  });

  it('forgets a client that is gone', async () => {
    const check = await warmCheck();
    check.clients.records.clear();
    expect(await recallOf(check).recallAnew(CLIENT_ID, true)).toBeNull();
    expect(recallOf(check).recall(CLIENT_ID)).toBeNull();
  });

  it('looks again after a minute, and without Redis each time', async () => {
    const check = await warmCheck();
    const recall = recallOf(check);
    await elapse(RECHECK_MS);
    expect(recall.recall(CLIENT_ID)).toBeNull();
    check.redis.usable = false;
    await recall.recallAnew(CLIENT_ID);
    expect(recall.recall(CLIENT_ID)).toBeNull();
  });

  it('without Redis configured goes by memory while every change reaches it', async () => {
    const check = await warmCheck({ redis: FakeRedis.none() });
    const recall = recallOf(check);
    expect(recall.recall(CLIENT_ID)).toMatchObject({ fence: null });
    check.registry.hasLease = false;
    expect(recall.recall(CLIENT_ID)).toBeNull();
    check.clients.away = true;
    expect(await recall.recallAnew(CLIENT_ID, true)).toMatchObject({ fence: null });
  });

  describe('with PostgreSQL away', () => {
    it('serves what Redis still holds', async () => {
      const check = await warmCheck();
      check.clients.away = true;
      await elapse(RECHECK_MS);
      const recall = recallOf(check);
      const served = await recall.recallAnew(CLIENT_ID);
      expect(served).toMatchObject({ client: { clientId: CLIENT_ID } });
      const fence = served?.fence ?? null;
      expect(fence === null ? false : await recall.confirm(fence)).toBe(true);
    });

    it('serves nothing that Redis no longer holds, or never did', async () => {
      const check = await warmCheck();
      check.clients.away = true;
      check.redis.values.clear();
      await expect(recallOf(check).recallAnew(CLIENT_ID)).rejects.toThrow(AuthUnavailableError);
      const cold = coldCheck();
      cold.clients.away = true;
      await expect(recallOf(cold).recallAnew(CLIENT_ID)).rejects.toThrow(AuthUnavailableError);
    });

    it('serves from memory while Redis is away as well', async () => {
      const check = await warmCheck();
      check.clients.away = true;
      check.redis.silent = true;
      expect(await recallOf(check).recallAnew(CLIENT_ID)).toMatchObject({ client: { clientId: CLIENT_ID } });
      check.redis.usable = false;
      expect(await recallOf(check).recallAnew(CLIENT_ID)).toMatchObject({ fence: null });
      check.registry.silentMs = RECHECK_MS + 1;
      await expect(recallOf(check).recallAnew(CLIENT_ID)).rejects.toThrow(AuthUnavailableError);
    });

    it('serves nothing from before Redis was there', async () => {
      const check = coldCheck();
      check.redis.usable = false;
      await recallOf(check).recallAnew(CLIENT_ID);
      check.redis.usable = true;
      check.clients.away = true;
      await expect(recallOf(check).recallAnew(CLIENT_ID)).rejects.toThrow(AuthUnavailableError);
      expect(await recallOf(check).confirm({ key: 'k', stamp: 's', ttlMs: 1 })).toBe(false);
    });
  });
});
