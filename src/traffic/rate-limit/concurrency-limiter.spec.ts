import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { buildRegistry, NO_JOBS } from '../../../test/support/rate-limit-fakes.js';
import { buildRedis } from '../../../test/support/throttle-guard.js';
import { ConcurrencyLimitedError } from '../../kernel/app-error.js';
import { Settings } from '../../platform/config/settings.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { LeasesService } from './leases.service.js';

function buildResponse(state: { closed?: boolean; destroyed?: boolean } = {}): ServerResponse {
  return Object.assign(new EventEmitter(), { closed: false, destroyed: false, ...state }) as unknown as ServerResponse;
}

function buildLimiter(limit?: number): ConcurrencyLimiter {
  const settings = Object.assign(new Settings(), limit !== undefined && { BYOT_MAX_CONCURRENT_PER_ADDRESS: limit });
  const { redis } = buildRedis({ configured: false, usable: false });
  return new ConcurrencyLimiter(settings, new LeasesService(redis, buildRegistry(), NO_JOBS));
}

describe('ConcurrencyLimiter', () => {
  it('allows 20 by default', () => {
    const limiter = buildLimiter();
    for (let index = 0; index < 20; index += 1) limiter.enter('192.0.2.1', buildResponse());
    expect(() => limiter.enter('192.0.2.1', buildResponse())).toThrow(ConcurrencyLimitedError);
    expect(limiter.underWay).toBe(20);
    expect(limiter.stats.refused).toBe(1);
  });

  it('says how many and when to come back', () => {
    const limiter = buildLimiter(1);
    limiter.enter('192.0.2.1', buildResponse());
    expect(() => limiter.enter('192.0.2.1', buildResponse())).toThrow(
      expect.objectContaining({
        status: 429,
        code: 'concurrency_limited',
        retryAfterSeconds: 1,
        message:
          'At most 1 requests with a provider token may be under way at once from one address. Try again when one has ended.',
      }),
    );
  });

  it('lets the next one in when a response is closed, once for each', () => {
    const limiter = buildLimiter(2);
    const [first, second] = [buildResponse(), buildResponse()];
    limiter.enter('192.0.2.1', first);
    limiter.enter('192.0.2.1', second);
    first.emit('close');
    first.emit('close');
    expect(limiter.underWay).toBe(1);
    limiter.enter('192.0.2.1', buildResponse());
    expect(() => limiter.enter('192.0.2.1', buildResponse())).toThrow(ConcurrencyLimitedError);
  });

  it('counts addresses apart, and one IPv6 network together', () => {
    const limiter = buildLimiter(1);
    limiter.enter('192.0.2.1', buildResponse());
    limiter.enter('192.0.2.2', buildResponse());
    limiter.enter('2001:db8::1', buildResponse());
    expect(() => limiter.enter('2001:db8::ffff:2', buildResponse())).toThrow(ConcurrencyLimitedError);
    expect(() => limiter.enter('::ffff:192.0.2.1', buildResponse())).toThrow(ConcurrencyLimitedError);
    limiter.enter('2001:db8:0:1::1', buildResponse());
    expect(limiter.underWay).toBe(4);
  });

  it('does not count a caller that has left already: no close would come', () => {
    const limiter = buildLimiter(1);
    limiter.enter('192.0.2.1', buildResponse({ closed: true }));
    limiter.enter('192.0.2.1', buildResponse({ destroyed: true }));
    expect(limiter.underWay).toBe(0);
  });

  it('keeps nothing of an address that has nothing under way', () => {
    const limiter = buildLimiter(3);
    const responses = Array.from({ length: 500 }, () => buildResponse());
    for (const [index, response] of responses.entries()) limiter.enter(`10.0.${index >> 8}.${index & 255}`, response);
    for (const response of responses) response.emit('close');
    expect(limiter.underWay).toBe(0);
    expect(responses.every((response) => response.listenerCount('close') === 0)).toBe(true);
  });
});
