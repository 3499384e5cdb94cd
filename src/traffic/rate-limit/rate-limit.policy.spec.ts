import { buildSettings } from '../../../test/support/build-settings.js';
import { FrozenClock } from '../../../test/support/frozen-clock.js';
import {
  buildOverride,
  buildPolicy,
  buildPolicyStore,
  type PolicyRows,
} from '../../../test/support/rate-limit-fakes.js';
import type { RateClass } from '../../kernel/handler-marks.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { RateLimitPolicy } from './rate-limit.policy.js';

describe('RateLimitPolicy', () => {
  const settings = buildSettings({ RATE_LIMITS: 'general.gold=5/60' });
  const policy = new RateLimitPolicy(settings, buildPolicyStore(), new DatabaseClock(new FrozenClock()));
  const classes: RateClass[] = ['general', 'query'];

  it('works each combination of classes and tier out once', () => {
    expect(policy.bucketsFor(classes, 'gold')).toBe(policy.bucketsFor(classes, 'gold'));
    expect(policy.bucketsFor(classes, 'gold')?.policyHeader).toBe('"general";q=5;w=60, "query";q=10;w=60');
    expect(policy.bucketsFor(classes, 'free')?.policyHeader).toBe('"general";q=100;w=3600, "query";q=10;w=60');
  });

  it('remembers nothing per name of a tier that does not exist', () => {
    expect(policy.bucketsFor(classes, 'gone')).toBe(policy.bucketsFor(classes, 'gone too'));
    expect(policy.bucketsFor(classes, 'gone')?.policyHeader).toBe('"general";q=1000;w=3600, "query";q=10;w=60');
  });

  it('counts a class named twice once', () => {
    expect(policy.bucketsFor(['general', 'general'], 'gold')?.policies).toHaveLength(1);
  });

  it('has no buckets where no class is named, or only one that is off', () => {
    expect(policy.bucketsFor([], 'paid')).toBeNull();
    expect(policy.bucketsFor(['address'], 'paid')).toBeNull();
  });
});

describe('RateLimitPolicy with policies and overrides', () => {
  const T0 = Date.UTC(2026, 0, 1);
  const GENERAL: RateClass[] = ['general'];
  const windows = (quota: number) => [{ quota, windowSeconds: 60, mode: 'enforce' as const }];

  function build(rows: PolicyRows, environment: Parameters<typeof buildSettings>[0] = {}) {
    const clock = new FrozenClock(T0);
    const store = buildPolicyStore(rows);
    const policy = new RateLimitPolicy(buildSettings(environment), store, new DatabaseClock(clock));
    const header = (tier: string, clientId?: string) =>
      policy.bucketsFor(GENERAL, tier, clientId)?.policyHeader ?? null;
    return { clock, store, policy, header };
  }

  it('takes the most specific', () => {
    const { policy, header } = build({
      policies: [buildPolicy({ windows: windows(1) }), buildPolicy({ windows: windows(2), tier: 'free' })],
      clients: { c1: [buildOverride({ windows: windows(3) })], c2: [buildOverride({ rateClass: 'query' })] },
      users: { u1: [buildOverride({ windows: windows(4) })] },
    });
    expect(header('paid')).toBe('"general";q=1;w=60');
    expect(header('free')).toBe('"general";q=2;w=60');
    expect(header('free', 'c1')).toBe('"general";q=3;w=60');
    expect(header('free', 'c2')).toBe('"general";q=2;w=60');
    expect(header('free', 'c3')).toBe('"general";q=2;w=60');
    expect(policy.bucketsForUser(GENERAL, 'free', 'u1')?.policyHeader).toBe('"general";q=4;w=60');
    expect(policy.effective('general', 'free', { type: 'client', id: 'c1' }).source.type).toBe('override');
    expect(policy.effective('general', 'free', { type: 'user', id: 'u1' }).source.type).toBe('override');
    expect(policy.effective('general', 'free', { type: 'user', id: 'c1' }).source.type).toBe('policy');
    expect(policy.effective('query', 'free').source.type).toBe('default');
  });

  it('holds a tier that is gone to the policies of the default one', () => {
    const { header } = build({ policies: [buildPolicy({ windows: windows(6), tier: 'paid' })] });
    expect(header('gone')).toBe('"general";q=6;w=60');
    expect(header('free')).toBe('"general";q=100;w=3600');
  });

  it('gives the same answer until a policy changes, and then another', () => {
    const { store, policy, header } = build({ clients: { c1: [buildOverride({ windows: windows(3) })] } });
    expect(policy.bucketsFor(GENERAL, 'paid', 'c1')).toBe(policy.bucketsFor(GENERAL, 'paid', 'c1'));
    expect(policy.bucketsFor(GENERAL, 'paid', 'c2')).toBe(policy.bucketsFor(GENERAL, 'paid'));
    store.set({ policies: [buildPolicy({ windows: windows(9) })] });
    expect(header('paid', 'c1')).toBe('"general";q=9;w=60');
  });

  it('ends an override at its moment by the database clock, and not before', () => {
    const { clock, header } = build({
      clients: {
        c1: [
          buildOverride({ windows: windows(3), expiresAt: T0 + 1_000 }),
          buildOverride({ rateClass: 'query', expiresAt: T0 + 5_000 }),
        ],
      },
    });
    expect(header('paid', 'c1')).toBe('"general";q=3;w=60');
    clock.advance(999);
    expect(header('paid', 'c1')).toBe('"general";q=3;w=60');
    clock.advance(1);
    expect(header('paid', 'c1')).toBe('"general";q=1000;w=3600');
    clock.advance(10_000);
    expect(header('paid', 'c1')).toBe('"general";q=1000;w=3600');
  });

  it('makes a bucket of each window, the first under the name of the class', () => {
    const { policy } = build({
      policies: [
        buildPolicy({
          windows: [...windows(5), { quota: 50, windowSeconds: 3600, mode: 'shadow' }],
          cost: 5,
          source: { type: 'policy', revision: '12', tier: '*' },
        }),
      ],
    });
    const set = policy.bucketsFor(GENERAL, 'paid');
    expect(set?.policies.map(({ name, quota, cost, shadow, origin }) => [name, quota, cost, shadow, origin])).toEqual([
      ['general', 5, 5, false, 'policy:12'],
      ['general:3600', 50, 5, true, 'policy:12'],
    ]);
    expect(set?.policyHeader).toBe('"general";q=5;w=60');
    expect(set?.enforced?.policies).toHaveLength(1);
  });

  it('counts nothing where a policy has no window', () => {
    const { policy } = build({ policies: [buildPolicy({ windows: [] })] });
    expect(policy.bucketsFor(GENERAL, 'paid')).toBeNull();
  });

  it.each([
    [{}, 100, 'default'],
    [{ MAX_CONCURRENT_STREAMS_PER_CLIENT: '7' }, 7, 'env'],
    [{ MAX_CONCURRENT_STREAMS_PER_CLIENT: '0' }, null, 'env'],
  ])('limits streams by the setting %j', (environment, concurrent, type) => {
    const { policy } = build({}, environment);
    expect(policy.effective('streams', 'paid')).toMatchObject({ concurrent, source: { type } });
  });

  it('limits streams by a policy before the setting', () => {
    const streams = { rateClass: 'streams' as const, windows: [] };
    const { policy } = build({
      policies: [buildPolicy({ ...streams, concurrent: 3 })],
      clients: { c1: [buildOverride({ ...streams, concurrent: 4 })] },
    });
    expect(policy.effective('streams', 'paid').concurrent).toBe(3);
    expect(policy.effective('streams', 'paid', { type: 'client', id: 'c1' }).concurrent).toBe(4);
  });

  it('says where a limit of the environment comes from', () => {
    const { policy } = build({}, { RATE_LIMITS: 'query=5/60' });
    expect(policy.effective('query', 'paid').source).toEqual({ type: 'env' });
    expect(policy.effective('general', 'paid').source).toEqual({ type: 'default' });
    expect(policy.effective('address', '*')).toMatchObject({ windows: [], source: { type: 'default' } });
    expect(policy.tiers()).toEqual(['free', 'paid']);
  });
});
