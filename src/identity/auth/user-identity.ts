import type { CredentialFence, RequestIdentity, UserAuth } from '../../kernel/auth-state.js';
import type {
  Principal,
  PrincipalSession,
  PrincipalsService,
  ResolvedPrincipal,
} from '../principals/principals.service.js';

/** What a request presented to be taken for a user, verified as far as that goes without knowing the user. */
export interface UserProof {
  readonly userId: string;
  readonly sessionId: string;
  /** Who the caller is, by what is known of the user now; null when the proof is not, or no longer, good. */
  stateOf(principal: Principal, session: PrincipalSession): UserAuth | null;
  /** What a proof that is not good is answered with. */
  refuse(): never;
}

/** What is asked about a user's proof. */
export interface ProofTerms {
  readonly principals: PrincipalsService;
  /** Milliseconds since the epoch, PostgreSQL's clock. */
  now(): number;
}

/**
 * Takes a request for the user it proves to be. A proof that is not good by what is remembered is looked at once more by
 * what PostgreSQL says: a session may be newer than what is remembered, and may have been used elsewhere since.
 *
 * @throws what `proof.refuse` throws; AuthUnavailableError when it cannot be decided.
 */
export function identify(proof: UserProof, terms: ProofTerms): RequestIdentity | Promise<RequestIdentity> {
  const resolved = terms.principals.recall(proof.userId);
  const state = resolved === null ? null : stateOf(proof, resolved.principal, terms.now());
  if (resolved === null || state === null) return identifyAnew(proof, terms);
  return new UserIdentity(state, resolved.fence, proof, terms);
}

async function identifyAnew(proof: UserProof, terms: ProofTerms): Promise<RequestIdentity> {
  let resolved: ResolvedPrincipal | null = await terms.principals.resolveAnew(proof.userId);
  let state = resolved && stateOf(proof, resolved.principal, terms.now());
  if (state === null && resolved?.isStale === true) {
    resolved = await terms.principals.resolveAnew(proof.userId, false);
    state = resolved && stateOf(proof, resolved.principal, terms.now());
  }
  if (resolved === null || state === null) return proof.refuse();
  return new UserIdentity(state, resolved.fence, proof, terms);
}

function stateOf(proof: UserProof, principal: Principal, now: number): UserAuth | null {
  if (principal.status !== 'active') return null;
  const session = principal.sessions.find(({ id }) => id === proof.sessionId);
  if (session === undefined || !isLive(session, now)) return null;
  return proof.stateOf(principal, session);
}

function isLive({ lastSeenAt, idleSeconds, expiresAt }: PrincipalSession, now: number): boolean {
  return now < expiresAt && now < lastSeenAt + idleSeconds * 1000;
}

/** The identity of a user for one request. */
class UserIdentity implements RequestIdentity {
  constructor(
    readonly state: UserAuth,
    readonly fence: CredentialFence | null,
    private readonly proof: UserProof,
    private readonly terms: ProofTerms,
  ) {}

  async confirm(): Promise<RequestIdentity> {
    if (this.fence === null) return this;
    if (!(await this.terms.principals.confirm(this.fence))) return this.renew();
    return new UserIdentity(this.state, null, this.proof, this.terms);
  }

  async renew(): Promise<RequestIdentity> {
    const { state } = (await identifyAnew(this.proof, this.terms)) as UserIdentity;
    return new UserIdentity(state, null, this.proof, this.terms);
  }
}
