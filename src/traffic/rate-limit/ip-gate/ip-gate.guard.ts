import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { HttpRequest } from '../../../platform/http/http-request.js';

/** First guard: what can be said of a request before anyone is known. */
@Injectable()
export class IpGateGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.getArgByIndex<HttpRequest>(0);
    request.attempt = {
      address: request.record.address,
      userAgent: request.raw.headers['user-agent'] ?? null,
      reserve: () => Promise.resolve(),
      succeeded: () => undefined,
    };
    return true;
  }
}
