import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { AmbiguousCredentialsError, MissingCredentialsError } from '../../kernel/app-error.js';
import { type RequestIdentity, selfOf } from '../../kernel/auth-state.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { AccessService } from '../access/access.service.js';
import { type SessionCookie, SessionCookieService } from '../sessions/session-cookie.service.js';
import { AUTH_STRATEGIES, type AuthStrategy, type IdentityClaim } from './auth-strategy.js';
import { readCredentialHeaders } from './credential-headers.js';

/**
 * First guard: who is calling. Exactly one strategy must recognise the request; its `RequestIdentity` is all that
 * anything behind it gets to see of a credential.
 */
@Injectable()
export class AuthGuard implements CanActivate {
  readonly #readSession: (rawHeaders: readonly string[]) => SessionCookie | null;

  constructor(
    @Inject(AUTH_STRATEGIES) private readonly strategies: readonly AuthStrategy[],
    private readonly access: AccessService,
    cookies: SessionCookieService,
  ) {
    this.#readSession = (rawHeaders) => cookies.read(rawHeaders);
  }

  /**
   * Answers at once, without a promise, for a remembered credential.
   *
   * @throws MissingCredentialsError, AmbiguousCredentialsError, or the strategy's refusal.
   */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (this.access.isPublic(context.getHandler(), context.getClass())) return true;
    const request = context.getArgByIndex<HttpRequest>(0);
    const outcome = this.#claimOf(request).authenticate(request.attempt);
    if (outcome instanceof Promise) return outcome.then((identity) => admit(request, identity));
    return admit(request, outcome);
  }

  #claimOf(request: HttpRequest): IdentityClaim {
    const credentials = readCredentialHeaders(request.raw, this.#readSession);
    let claim: IdentityClaim | null = null;
    for (const strategy of this.strategies) {
      const recognised = strategy.recognise(credentials);
      if (recognised === null) continue;
      if (claim !== null) throw new AmbiguousCredentialsError('More than one credential was sent. Send one.');
      claim = recognised;
    }
    if (claim === null) throw new MissingCredentialsError();
    return claim;
  }
}

function admit(request: HttpRequest, identity: RequestIdentity): true {
  request.identity = identity;
  request.record.authMethod = identity.state.method;
  if (identity.state.kind === 'client') request.record.clientId = identity.state.clientId;
  request.record.userId = selfOf(identity.state);
  return true;
}
