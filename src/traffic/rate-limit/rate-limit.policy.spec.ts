import { buildSettings } from '../../../test/support/build-settings.js';
import { FrozenClock } from '../../../test/support/frozen-clock.js';
import { buildPolicyStore } from '../../../test/support/rate-limit-fakes.js';
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
