import { Injectable } from '@nestjs/common';
import type { AuthAttempt } from '../../../kernel/auth-attempt.js';
import type { ProviderToken, RequestIdentity, UserAuth } from '../../../kernel/auth-state.js';
import { InvalidTokenError } from '../../../kernel/identity-errors.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { ClientRecall } from '../../clients/client-recall.service.js';
import { type Principal, type PrincipalSession, PrincipalsService } from '../../principals/principals.service.js';
import { SessionsService } from '../../sessions/sessions.service.js';
import { type AccessClaims, AccessTokensService } from '../../tokens/access-tokens.service.js';
import type { AuthStrategy, IdentityClaim } from '../auth-strategy.js';
import { identifyClient } from '../client-token-identity.js';
import { bearerJwtOf, type PresentedCredentials } from '../credential-headers.js';
import { identify, type ProofTerms, type UserProof } from '../user-identity.js';

/** What was made of a token by one principal, for as long as both are remembered. */
interface Known<From, State> {
  readonly from: From;
  readonly state: State;
}

/**
 * Our own access tokens (RFC 6750, RFC 9068): of users, and of clients that traded their secret for one. What the token
 * says is verified first; whether it was revoked, by its id, its session, its user or client, or all of them, is decided by
 * what is remembered of the user or client and confirmed in the request's one Redis call.
 */
@Injectable()
export class AccessTokenStrategy implements AuthStrategy {
  readonly method = 'jwt';
  readonly #terms: ProofTerms;
  readonly #users = new WeakMap<AccessClaims, Known<Principal, UserAuth>>();

  constructor(
    private readonly tokens: AccessTokensService,
    principals: PrincipalsService,
    private readonly clients: ClientRecall,
    private readonly sessions: SessionsService,
    clock: DatabaseClock,
  ) {
    this.#terms = { principals, now: () => clock.now() };
  }

  recognise({ identity, providerToken }: PresentedCredentials): IdentityClaim | null {
    const token = identity === null ? null : bearerJwtOf(identity);
    if (token === null) return null;
    return { authenticate: (attempt) => this.#authenticate(token, providerToken, attempt) };
  }

  #authenticate(
    token: string,
    providerToken: ProviderToken | null,
    attempt: AuthAttempt,
  ): RequestIdentity | Promise<RequestIdentity> {
    const claims = this.tokens.read(token);
    if (claims.subjectKind === 'client') return identifyClient({ claims, providerToken, clients: this.clients });
    return identify(this.#proofOf(claims, providerToken, attempt), this.#terms);
  }

  #proofOf(claims: AccessClaims, providerToken: ProviderToken | null, attempt: AuthAttempt): UserProof {
    return {
      userId: claims.sub,
      sessionId: claims.sessionId ?? '',
      stateOf: (principal, session) => {
        const state = this.#stateOf(claims, principal, session);
        if (state === null) return null;
        this.sessions.touch(session, attempt.address);
        return providerToken === null ? state : { ...state, providerToken };
      },
      refuse: () => {
        throw new InvalidTokenError();
      },
    };
  }

  #stateOf(claims: AccessClaims, principal: Principal, session: PrincipalSession): UserAuth | null {
    const known = this.#users.get(claims);
    if (known !== undefined && known.from === principal) return known.state;
    if (session.kind !== 'token' || claims.epoch !== principal.epoch) return null;
    if (principal.revokedTokens.includes(claims.jti)) return null;
    const state: UserAuth = Object.freeze({
      kind: 'user',
      method: 'jwt',
      userId: principal.userId,
      tier: principal.tier,
      scopes: claims.scopes,
      sessionId: session.id,
      tokenId: claims.jti,
      grants: principal.grants,
      authenticatedAt: session.authenticatedAt,
      amr: session.amr,
      mfa: session.mfa,
      providerToken: null,
    });
    this.#users.set(claims, { from: principal, state });
    return state;
  }
}
