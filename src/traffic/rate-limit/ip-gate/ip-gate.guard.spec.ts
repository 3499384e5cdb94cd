import { EventEmitter } from 'node:events';
import type { ExecutionContext } from '@nestjs/common';
import { buildSettings } from '../../../../test/support/build-settings.js';
import { FrozenClock } from '../../../../test/support/frozen-clock.js';
import { buildPolicyStore, buildRegistry } from '../../../../test/support/rate-limit-fakes.js';
import { buildRedis } from '../../../../test/support/throttle-guard.js';
import { Public, RateClasses, Require } from '../../../kernel/handler-marks.js';
import { HealthController } from '../../../platform/health/health.controller.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { LimiterService } from '../limiter.service.js';
import { RateLimitPolicy } from '../rate-limit.policy.js';
import type { FailureBudgets } from './failure-budgets.service.js';
import { IpGateGuard } from './ip-gate.guard.js';

class Routes {
  @Require('authenticated')
  known() {}
  @Public()
  open() {}
  @Public()
  @RateClasses('login')
  signIn() {}
}

@RateClasses('login')
class SignIn {
  @Public()
  start() {}
}

function build(rateLimits = '') {
  const clock = new FrozenClock();
  const databaseClock = new DatabaseClock(clock);
  const { redis } = buildRedis({ configured: false, usable: false });
  const limiter = new LimiterService(redis, clock, databaseClock, buildRegistry());
  const policy = new RateLimitPolicy(buildSettings({ RATE_LIMITS: rateLimits }), buildPolicyStore(), databaseClock);
  const reserve = jest.fn(async (..._given: unknown[]) => ({ giveBack: () => undefined, keepSpent: () => undefined }));
  const guard = new IpGateGuard({ reserve } as unknown as FailureBudgets, policy, limiter);
  const send = (handler: () => void, address = '203.0.113.7', controller: unknown = Routes) => {
    const headers: Record<string, string> = {};
    const request = { record: { address }, raw: { headers: {} } } as Record<string, unknown> & {
      attempt?: { address: string; reserve(subject: string): Promise<void> };
    };
    const raw = Object.assign(new EventEmitter(), { closed: false });
    const reply = { raw, header: (name: string, value: string) => Object.assign(headers, { [name]: value }) };
    const context = {
      getHandler: () => handler,
      getClass: () => controller,
      getArgByIndex: (index: number) => (index === 0 ? request : reply),
    } as unknown as ExecutionContext;
    return { headers, request, outcome: () => guard.canActivate(context) };
  };
  return { send, clock, reserve };
}

const { known, open, signIn } = Routes.prototype;

describe('IpGateGuard', () => {
  it('lets everything on at once where nothing is limited per address, and gives it its attempt', async () => {
    const { send, reserve } = build();
    const { request, headers, outcome } = send(known);
    expect(outcome()).toBe(true);
    expect(headers).toEqual({});
    expect(request.attempt?.address).toBe('203.0.113.7');
    await request.attempt?.reserve('c1');
    expect(reserve).toHaveBeenCalledWith('203.0.113.7', 'c1', []);
  });

  it('holds an address to its bucket on every route, and says so in the usual headers', async () => {
    const { send, clock } = build('address=2/60');
    expect(await send(known).outcome()).toBe(true);
    const second = send(open);
    expect(await second.outcome()).toBe(true);
    expect(second.headers).toMatchObject({ 'ratelimit-policy': '"address";q=2;w=60', ratelimit: '"address";r=0;t=30' });
    const third = send(known);
    await expect(third.outcome()).rejects.toMatchObject({ status: 429, code: 'rate_limited', retryAfterSeconds: 30 });
    expect(third.headers['x-ratelimit-decision']).toMatch(/^rld_/);
    expect(await send(known, '203.0.113.8').outcome()).toBe(true);
    clock.advanceSeconds(30);
    expect(await send(known).outcome()).toBe(true);
  });

  it('takes the addresses of an IPv6 /64 for one', async () => {
    const { send } = build('address=1/60');
    expect(await send(known, '2001:db8::1').outcome()).toBe(true);
    await expect(send(known, '2001:db8::2').outcome()).rejects.toMatchObject({ code: 'rate_limited' });
    expect(await send(known, '2001:db8:0:1::1').outcome()).toBe(true);
  });

  it('leaves the health pair alone', () => {
    const { send } = build('address=1/60');
    const { live, ready } = HealthController.prototype;
    for (const handler of [live, ready, live, ready]) {
      expect(send(handler as () => void, '203.0.113.7', HealthController).outcome()).toBe(true);
    }
  });

  it.each([
    ['of a handler', signIn, Routes],
    ['of a controller', SignIn.prototype.start, SignIn],
  ])('holds the class login %s to five a minute, besides the address', async (_name, handler, controller) => {
    const { send } = build('address=100/60');
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expect(await send(handler, '203.0.113.7', controller).outcome()).toBe(true);
    }
    const refused = send(handler, '203.0.113.7', controller);
    await expect(refused.outcome()).rejects.toMatchObject({ status: 429, retryAfterSeconds: 12 });
    expect(refused.headers['ratelimit-policy']).toBe('"address";q=100;w=60, "login";q=5;w=60');
    expect(await send(open).outcome()).toBe(true);
  });
});
