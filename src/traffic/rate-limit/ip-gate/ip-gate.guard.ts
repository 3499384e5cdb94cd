import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { HealthController } from '../../../platform/health/health.controller.js';
import { addressKey } from '../../../platform/http/address-key.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import type { BucketSet } from '../bucket-set.js';
import type { Decision } from '../limit-decision.js';
import { LimiterService } from '../limiter.service.js';
import { assertAllowed, setAddressLimitHeaders } from '../rate-limit.headers.js';
import { RateLimitPolicy } from '../rate-limit.policy.js';
import { AddressClassMarks } from './address-class-marks.js';
import { FailureBudgets } from './failure-budgets.service.js';
import { RequestAttempt } from './request-attempt.js';

/** Nobody is known yet, so nobody has a tier. */
const NO_TIER = '';

/**
 * First guard: what an address may do before anyone is known. Holds it to the class `address`, where that is limited, and
 * sign-in routes (`@RateClasses('login')`) to the class `login`; and gives the request the `attempt` that stands between
 * its credential and any hashing. Blocked addresses did not get here: the edge keeps them out.
 *
 * An address that has spent its failed attempts is not refused here but where hashing would begin (`AuthAttempt`):
 * whoever presents a key that is known is let on, also from behind the address of one who guesses.
 */
@Injectable()
export class IpGateGuard implements CanActivate {
  readonly #marks = new AddressClassMarks();

  constructor(
    private readonly budgets: FailureBudgets,
    private readonly policy: RateLimitPolicy,
    private readonly limiter: LimiterService,
  ) {}

  /** @throws RateLimitedError. Without Redis this process's buckets decide, by its share of the limits. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.getArgByIndex<HttpRequest>(0);
    const reply = context.getArgByIndex<HttpReply>(1);
    request.attempt = new RequestAttempt(request, reply, this.budgets);
    const controller = context.getClass();
    if (controller === HealthController) return true;
    const buckets = this.policy.bucketsFor(this.#marks.of(context.getHandler(), controller), NO_TIER);
    if (buckets === null) return true;
    const source = addressKey(request.record.address);
    return this.limiter.take(source, buckets).then((decision) => admit(reply, source, buckets, decision));
  }
}

function admit(reply: HttpReply, source: string, buckets: BucketSet, decision: Decision): true {
  setAddressLimitHeaders(reply, decision);
  return assertAllowed(reply, source, buckets, decision);
}
