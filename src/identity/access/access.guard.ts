import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { AddressNotAllowedError, AuthUnavailableError, PermissionDeniedError } from '../../kernel/app-error.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { AccessService } from './access.service.js';

/** Lets an identity on only where it holds what the route asks for, and from where it may call. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(private readonly access: AccessService) {}

  /** @throws PermissionDeniedError or AddressNotAllowedError, built only on an identity that is certain (see `RequestIdentity`). */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const handler = context.getHandler();
    const controller = context.getClass();
    if (this.access.isPublic(handler, controller)) return true;
    const request = context.getArgByIndex<HttpRequest>(0);
    if (request.identity === null) throw new AuthUnavailableError();
    try {
      this.access.assertAllowed(handler, controller, request.identity.state, request.record.address);
      return true;
    } catch (error) {
      if (!isRefusal(error) || request.identity.fence === null) throw error;
      return this.#decideOnCertainty(request, handler, controller);
    }
  }

  // biome-ignore lint/complexity/noBannedTypes: what Nest's ExecutionContext hands out for handlers and classes
  async #decideOnCertainty(request: HttpRequest, handler: Function, controller: Function): Promise<boolean> {
    if (request.identity === null) throw new AuthUnavailableError();
    request.identity = await request.identity.confirm();
    this.access.assertAllowed(handler, controller, request.identity.state, request.record.address);
    return true;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof PermissionDeniedError || error instanceof AddressNotAllowedError;
}
