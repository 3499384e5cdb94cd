import { Injectable } from '@nestjs/common';
import type { AuthAttempt } from '../../../kernel/auth-attempt.js';
import type { ProviderToken, RequestIdentity, UserAuth } from '../../../kernel/auth-state.js';
import { InvalidSessionError } from '../../../kernel/identity-errors.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { type Principal, type PrincipalSession, PrincipalsService } from '../../principals/principals.service.js';
import { type SessionCookie, SessionCookieService } from '../../sessions/session-cookie.service.js';
import { SessionsService } from '../../sessions/sessions.service.js';
import type { AuthStrategy, IdentityClaim } from '../auth-strategy.js';
import type { PresentedCredentials, PresentedSession } from '../credential-headers.js';
import { identify, type ProofTerms, type UserProof } from '../user-identity.js';

/**
 * The cookie of a session, as browsers send it. What changes something needs the session's CSRF token beside it; that is
 * looked at once the session is known to be one.
 */
@Injectable()
export class SessionStrategy implements AuthStrategy {
  readonly method = 'session';
  readonly #terms: ProofTerms;

  constructor(
    private readonly cookies: SessionCookieService,
    private readonly sessions: SessionsService,
    principals: PrincipalsService,
    clock: DatabaseClock,
  ) {
    this.#terms = { principals, now: () => clock.now() };
  }

  recognise({ session, providerToken }: PresentedCredentials): IdentityClaim | null {
    if (session === null) return null;
    return { authenticate: (attempt) => this.#authenticate(session, providerToken, attempt) };
  }

  #authenticate(
    session: PresentedSession,
    providerToken: ProviderToken | null,
    attempt: AuthAttempt,
  ): RequestIdentity | Promise<RequestIdentity> {
    const identity = identify(this.#proofOf(session.cookie, providerToken, attempt), this.#terms);
    return identity instanceof Promise
      ? identity.then((known) => this.#assertOwnPage(known, session))
      : this.#assertOwnPage(identity, session);
  }

  #assertOwnPage(identity: RequestIdentity, { cookie, request }: PresentedSession): RequestIdentity {
    this.cookies.assertOwnPage({ method: request.method ?? '', headers: request.headers }, cookie.secret);
    return identity;
  }

  #proofOf(
    { userId, sessionId, secret }: SessionCookie,
    providerToken: ProviderToken | null,
    attempt: AuthAttempt,
  ): UserProof {
    return {
      userId,
      sessionId,
      stateOf: (principal, session) => {
        if (session.kind !== 'cookie' || !this.cookies.isSecretOf(secret, session.secretHash)) return null;
        this.sessions.touch(session, attempt.address);
        return stateOf(principal, session, providerToken);
      },
      refuse: () => {
        throw new InvalidSessionError();
      },
    };
  }
}

function stateOf(principal: Principal, session: PrincipalSession, providerToken: ProviderToken | null): UserAuth {
  return {
    kind: 'user',
    method: 'session',
    userId: principal.userId,
    tier: principal.tier,
    scopes: null,
    sessionId: session.id,
    tokenId: null,
    grants: principal.grants,
    authenticatedAt: session.authenticatedAt,
    amr: session.amr,
    mfa: session.mfa,
    providerToken,
  };
}
