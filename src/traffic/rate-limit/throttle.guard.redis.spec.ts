import { buildClient, buildGuard, buildIdentity, buildRedis, FENCE } from '../../../test/support/throttle-guard.js';
import {
  AuthUnavailableError,
  InvalidApiKeyError,
  PermissionDeniedError,
  RateLimitedError,
} from '../../kernel/app-error.js';
import { RedisUnavailableError } from '../../platform/redis/redis.service.js';

describe('ThrottleGuard with Redis', () => {
  it('asks it once for a certain identity', async () => {
    const { send, calls } = buildGuard({ redis: buildRedis() });
    const { pass, headers } = send('chat', buildIdentity(buildClient()));
    await expect(pass()).resolves.toBe(true);
    expect(calls).toEqual(['run']);
    expect(headers).toMatchObject({ ratelimit: '"general";r=999;t=4' });
    expect(headers).not.toHaveProperty('x-ratelimit-degraded');
  });

  it('asks it once for a provisional identity too, which that makes certain', async () => {
    const { send, calls } = buildGuard({ redis: buildRedis() });
    const identity = buildIdentity(buildClient(), { fence: FENCE });
    await expect(send('chat', identity).pass()).resolves.toBe(true);
    expect(calls).toEqual(['runFenced']);
  });

  it('confirms a provisional identity where nothing is counted', async () => {
    const { send, calls } = buildGuard({ redis: buildRedis() });
    const certain = buildIdentity(buildClient());
    const sent = send('uncounted', buildIdentity(buildClient(), { fence: FENCE, confirm: async () => certain }));
    await expect(sent.pass()).resolves.toBe(true);
    expect(sent.request.identity).toBe(certain);
    expect(calls).toEqual([]);
  });

  it('refuses one that was revoked meanwhile where nothing is counted', async () => {
    const { send } = buildGuard({ redis: buildRedis() });
    const confirm = () => Promise.reject(new InvalidApiKeyError());
    await expect(send('uncounted', buildIdentity(buildClient(), { fence: FENCE, confirm })).pass()).rejects.toThrow(
      InvalidApiKeyError,
    );
  });

  describe('when the fence does not hold', () => {
    const lost = () => buildRedis({ runFenced: { held: false } });

    it('goes on with the renewed identity, in its new tier', async () => {
      const { send, calls, limiter } = buildGuard({ redis: lost() });
      const renewed = buildIdentity(buildClient({ tier: 'free' }));
      const sent = send('chat', buildIdentity(buildClient(), { fence: FENCE, renew: async () => renewed }));
      await expect(sent.pass()).resolves.toBe(true);
      expect(calls).toEqual(['runFenced', 'run']);
      expect(sent.request.identity).toBe(renewed);
      expect(sent.headers['x-ratelimit-limit']).toBe('100');
      expect(limiter.stats.fencesLost).toBe(1);
    });

    it.each([
      ['revoked', new InvalidApiKeyError()],
      ['not to be checked', new AuthUnavailableError()],
    ])('refuses one that is %s, spending nothing', async (_why, error) => {
      const { send, calls, limiter } = buildGuard({ redis: lost() });
      const sent = send('chat', buildIdentity(buildClient(), { fence: FENCE, renew: () => Promise.reject(error) }));
      await expect(sent.pass()).rejects.toBe(error);
      expect(calls).toEqual(['runFenced']);
      expect(sent.headers).toEqual({});
      expect(limiter.stats.allowed).toBe(0);
    });

    it('refuses one that lost the permission, spending nothing', async () => {
      const { send, calls, limiter } = buildGuard({ redis: lost() });
      const renew = async () => buildIdentity(buildClient({ scopes: ['logs:read'] }));
      await expect(send('chat', buildIdentity(buildClient(), { fence: FENCE, renew })).pass()).rejects.toThrow(
        PermissionDeniedError,
      );
      expect(calls).toEqual(['runFenced']);
      expect(limiter.stats.allowed).toBe(0);
    });
  });

  describe('when Redis is away', () => {
    const away = () => buildRedis({ run: new RedisUnavailableError(), runFenced: new RedisUnavailableError() });

    it('enforces the same limit in this process, and says so on success and refusal', async () => {
      const { send, limiter } = buildGuard({ redis: away(), rateLimits: 'general=2/60' });
      const one = () => send('chat', buildIdentity(buildClient()));
      await expect(one().pass()).resolves.toBe(true);
      const second = one();
      await expect(second.pass()).resolves.toBe(true);
      expect(second.headers).toMatchObject({ 'x-ratelimit-degraded': 'true', 'x-ratelimit-remaining': '0' });
      const third = one();
      await expect(third.pass()).rejects.toThrow(RateLimitedError);
      expect(third.headers).toMatchObject({ 'x-ratelimit-degraded': 'true', ratelimit: '"general";r=0;t=30' });
      expect(limiter.stats).toMatchObject({ allowed: 2, refused: { general: 1 }, degraded: 3, redisFailures: 3 });
    });

    it('enforces its share of the limit where others live, and never less than a request', async () => {
      const { send } = buildGuard({ redis: away(), live: 3, rateLimits: 'general.paid=10/60,general.free=2/60' });
      const one = send('chat', buildIdentity(buildClient()));
      await expect(one.pass()).resolves.toBe(true);
      expect(one.headers).toMatchObject({
        'x-ratelimit-limit': '3',
        'x-ratelimit-remaining': '2',
        'ratelimit-policy': '"general";q=3;w=60',
      });
      const free = () => send('chat', buildIdentity(buildClient({ clientId: 'c2', tier: 'free' })));
      await expect(free().pass()).resolves.toBe(true);
      await expect(free().pass()).rejects.toThrow(RateLimitedError);
    });

    it('has a provisional identity checked anew, and does not ask Redis again', async () => {
      const { send, calls } = buildGuard({ redis: away() });
      const renewed = buildIdentity(buildClient());
      const sent = send('chat', buildIdentity(buildClient(), { fence: FENCE, renew: async () => renewed }));
      await expect(sent.pass()).resolves.toBe(true);
      expect(calls).toEqual(['runFenced']);
      expect(sent.request.identity).toBe(renewed);
      expect(sent.headers['x-ratelimit-degraded']).toBe('true');
    });

    it('spends nothing on an identity that does not pass that check', async () => {
      const { send, limiter } = buildGuard({ redis: away() });
      const renew = () => Promise.reject(new AuthUnavailableError());
      const sent = send('chat', buildIdentity(buildClient(), { fence: FENCE, renew }));
      await expect(sent.pass()).rejects.toThrow(AuthUnavailableError);
      expect(limiter.stats).toMatchObject({ allowed: 0, degraded: 0 });
    });

    it('does not even try while the breaker is open', async () => {
      const { send, calls } = buildGuard({ redis: buildRedis({ usable: false }) });
      const renew = async () => buildIdentity(buildClient());
      const certain = send('chat', buildIdentity(buildClient()));
      await expect(certain.pass()).resolves.toBe(true);
      const provisional = send('chat', buildIdentity(buildClient(), { fence: FENCE, renew }));
      await expect(provisional.pass()).resolves.toBe(true);
      expect(calls).toEqual([]);
      expect(provisional.headers).toMatchObject({ 'x-ratelimit-degraded': 'true', 'x-ratelimit-remaining': '998' });
    });

    it('goes on from what Redis last said', async () => {
      const redis = buildRedis({ run: [1, 1_800_000_000, 0] });
      const { send } = buildGuard({ redis });
      await send('chat', buildIdentity(buildClient())).pass();
      Object.assign(redis.redis, { usable: false });
      const sent = send('chat', buildIdentity(buildClient()));
      await expect(sent.pass()).resolves.toBe(true);
      expect(sent.headers['x-ratelimit-remaining']).toBe('499');
    });

    it.each([
      ['nothing', null],
      ['too little', [1, 0]],
      ['text', [1, 'x', 0]],
      ['no list', 'OK'],
    ])('treats an answer that is %s as no answer', async (_what, run) => {
      const { send } = buildGuard({ redis: buildRedis({ run }) });
      const sent = send('chat', buildIdentity(buildClient()));
      await expect(sent.pass()).resolves.toBe(true);
      expect(sent.headers).toMatchObject({ 'x-ratelimit-degraded': 'true', 'x-ratelimit-remaining': '999' });
    });
  });
});
