import { buildOverride, buildPolicy } from '../../../test/support/rate-limit-fakes.js';
import { BYOT, buildClient, buildGuard, buildIdentity, FENCE } from '../../../test/support/throttle-guard.js';
import {
  ConcurrencyLimitedError,
  InvalidApiKeyError,
  PayloadTooLargeError,
  RateLimitedError,
} from '../../kernel/app-error.js';
import { Secret } from '../../kernel/secret.js';

describe('ThrottleGuard', () => {
  it('passes a public route without a look at anything', () => {
    const { send } = buildGuard();
    const { pass, headers } = send('open', buildIdentity(buildClient()));
    expect(pass()).toBe(true);
    expect(headers).toEqual({});
  });

  it('has nothing to hold a request without identity to', () => {
    expect(buildGuard().send('chat', null).pass()).toBe(true);
  });

  it.each([
    ['a client', buildIdentity(buildClient()), 33_554_432],
    ['a provider token', buildIdentity(BYOT), 4_194_304],
  ])('refuses a body of %s announced as larger than it may be, at no cost', async (_who, identity, largest) => {
    const { send, concurrency } = buildGuard({ rateLimits: 'general=1/60' });
    await expect(send('chat', identity, largest + 1).pass()).rejects.toThrow(PayloadTooLargeError);
    expect(concurrency.underWay).toBe(0);
    expect(send('chat', identity, largest).pass()).toBe(true);
  });

  it('says that a body is too large only to an identity that is certain', async () => {
    const confirm = async () => {
      throw new InvalidApiKeyError();
    };
    const { send } = buildGuard();
    const provisional = buildIdentity(buildClient(), { fence: FENCE, confirm });
    await expect(send('chat', provisional, 99_999_999).pass()).rejects.toThrow(InvalidApiKeyError);
  });

  describe('without REDIS_URL', () => {
    it('answers at once, with every header of the contract and not as degraded', () => {
      const { send } = buildGuard();
      const { pass, headers } = send('chat', buildIdentity(buildClient()));
      expect(pass()).toBe(true);
      expect(headers).toEqual({
        'x-ratelimit-limit': '1000',
        'x-ratelimit-remaining': '999',
        'x-ratelimit-reset': '1700000004',
        'ratelimit-policy': '"general";q=1000;w=3600',
        ratelimit: '"general";r=999;t=4',
      });
    });

    it('holds each tier to its own limit, and a tier that is gone to the default one', () => {
      const { send } = buildGuard({ rateLimits: 'general.gold=7/60' });
      const limitOf = (tier: string) => {
        const { pass, headers } = send('chat', buildIdentity(buildClient({ tier, clientId: tier })));
        expect(pass()).toBe(true);
        return headers['x-ratelimit-limit'];
      };
      expect(['free', 'paid', 'gold', 'gone'].map(limitOf)).toEqual(['100', '1000', '7', '1000']);
    });

    it('refuses what is over, with the same headers, the limit’s name and an honest wait', () => {
      const { send, clock } = buildGuard({ rateLimits: 'general=2/60' });
      const one = () => send('chat', buildIdentity(buildClient()));
      expect(one().pass()).toBe(true);
      expect(one().pass()).toBe(true);
      const refused = one();
      expect(() => refused.pass()).toThrow(
        expect.objectContaining({
          status: 429,
          code: 'rate_limited',
          retryAfterSeconds: 30,
          type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
          message: 'The limit "general" of 2 requests per 60 seconds is used up. Try again in 30 seconds.',
        }),
      );
      expect(refused.headers).toEqual({
        'x-ratelimit-decision': expect.stringMatching(/^rld_[0-9a-f]{24}$/),
        'x-ratelimit-limit': '2',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': '1700000030',
        'ratelimit-policy': '"general";q=2;w=60',
        ratelimit: '"general";r=0;t=30',
      });
      clock.advance(29_999);
      expect(() => one().pass()).toThrow(RateLimitedError);
      clock.advance(1);
      expect(one().pass()).toBe(true);
      expect(() => one().pass()).toThrow(RateLimitedError);
    });

    it('announces at least one second, in the singular', () => {
      const { send } = buildGuard({ rateLimits: 'general=1/1' });
      const one = () => send('chat', buildIdentity(buildClient())).pass();
      expect(one()).toBe(true);
      expect(one).toThrow('The limit "general" of 1 request per 1 second is used up. Try again in 1 second.');
    });

    it('lists every bucket in the policy and the tightest in the rest', () => {
      const { headers, pass } = buildGuard().send('query', buildIdentity(buildClient()));
      expect(pass()).toBe(true);
      expect(headers).toMatchObject({
        'x-ratelimit-limit': '10',
        'ratelimit-policy': '"general";q=1000;w=3600, "query";q=10;w=60',
        ratelimit: '"query";r=9;t=6',
      });
    });

    it('takes from all buckets or none', () => {
      const { send } = buildGuard({ rateLimits: 'general=10/3600,query=2/60' });
      const query = () => send('query', buildIdentity(buildClient())).pass();
      expect([query(), query()]).toEqual([true, true]);
      for (let index = 0; index < 20; index += 1) expect(query).toThrow(RateLimitedError);
      const { pass, headers } = send('chat', buildIdentity(buildClient()));
      expect(pass()).toBe(true);
      expect(headers['x-ratelimit-remaining']).toBe('7');
    });

    it('counts a client with its own provider token as any other', () => {
      const { send } = buildGuard({ rateLimits: 'general=1/60' });
      const state = buildClient({ providerToken: { value: new Secret('sk-own'), provider: 'openai' } });
      expect(send('chat', buildIdentity(state)).pass()).toBe(true);
      expect(() => send('chat', buildIdentity(state)).pass()).toThrow(RateLimitedError);
    });

    it('spends nothing where the route is not counted', () => {
      const { send, limiter } = buildGuard();
      const { pass, headers } = send('uncounted', buildIdentity(buildClient()));
      expect(pass()).toBe(true);
      expect(headers).toEqual({});
      expect(limiter.stats.allowed).toBe(0);
    });

    it('has an override before the policy, at its cost', () => {
      const shadow = { quota: 1, windowSeconds: 60, mode: 'shadow' as const };
      const { send, limiter } = buildGuard({
        policies: [buildPolicy()],
        overrides: {
          c1: [buildOverride({ windows: [{ quota: 7, windowSeconds: 70, mode: 'enforce' }, shadow], cost: 3 })],
        },
      });
      const one = () => send('chat', buildIdentity(buildClient()));
      const first = one();
      expect(first.pass()).toBe(true);
      expect(first.headers).toMatchObject({
        'ratelimit-policy': '"general";q=7;w=70',
        ratelimit: '"general";r=4;t=30',
      });
      expect(one().pass()).toBe(true);
      expect(() => one().pass()).toThrow(
        'The limit "general" of 7 units per 70 seconds, of which this request takes 3, is used up. Try again in 20 seconds.',
      );
      expect(limiter.stats).toMatchObject({ allowed: 2, wouldHaveRefused: { general: 2 }, refused: { general: 1 } });
      const other = send('chat', buildIdentity(buildClient({ clientId: 'c2' })));
      expect(other.pass()).toBe(true);
      expect(other.headers['x-ratelimit-limit']).toBe('1');
    });

    it('says nothing where all buckets are in shadow, and lets everybody through', () => {
      const windows = [{ quota: 1, windowSeconds: 60, mode: 'shadow' as const }];
      const { send, limiter } = buildGuard({ policies: [buildPolicy({ windows })] });
      for (let index = 0; index < 5; index += 1) {
        const { pass, headers } = send('chat', buildIdentity(buildClient()));
        expect(pass()).toBe(true);
        expect(headers).toEqual({});
      }
      expect(limiter.stats).toMatchObject({ allowed: 5, wouldHaveRefused: { general: 4 } });
    });

    it('tells the moment of the reset by the database clock', () => {
      const { send, databaseClock, clock } = buildGuard();
      databaseClock.measured(clock.now() + 300_000, clock.now(), clock.now());
      const { pass, headers } = send('chat', buildIdentity(buildClient()));
      expect(pass()).toBe(true);
      expect(headers['x-ratelimit-reset']).toBe('1700000304');
    });

    it('counts its decisions', () => {
      const { send, limiter } = buildGuard({ rateLimits: 'query=1/60' });
      const query = () => send('query', buildIdentity(buildClient())).pass();
      query();
      expect(query).toThrow(RateLimitedError);
      expect(query).toThrow(RateLimitedError);
      expect(limiter.stats).toEqual({
        allowed: 1,
        refused: { query: 2 },
        wouldHaveRefused: {},
        degraded: 0,
        redisFailures: 0,
        fencesLost: 0,
      });
    });
  });

  describe('a caller with only a provider token', () => {
    it('spends no bucket and gets no limit headers', () => {
      const { send, limiter } = buildGuard({ rateLimits: 'general=1/3600' });
      for (let index = 0; index < 5; index += 1) {
        const { pass, headers } = send('chat', buildIdentity(BYOT));
        expect(pass()).toBe(true);
        expect(headers).toEqual({});
      }
      expect(limiter.stats.allowed).toBe(0);
    });

    it('is held to 20 requests under way, each released when its response is closed', () => {
      const { send, concurrency } = buildGuard();
      const first = Array.from({ length: 20 }, () => send('chat', buildIdentity(BYOT)));
      for (const one of first) expect(one.pass()).toBe(true);
      expect(() => send('chat', buildIdentity(BYOT)).pass()).toThrow(ConcurrencyLimitedError);
      first[0]?.raw.emit('close');
      expect(send('chat', buildIdentity(BYOT)).pass()).toBe(true);
      expect(concurrency.underWay).toBe(20);
    });
  });
});
