import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { ClientAuth, CredentialFence, ProviderToken, RequestIdentity } from '../../kernel/auth-state.js';
import { InvalidTokenError } from '../../kernel/identity-errors.js';
import { holds } from '../access/access.service.js';
import type { ClientRecall, RecalledClient } from '../clients/client-recall.service.js';
import type { AccessClaims } from '../tokens/access-tokens.service.js';

/** A client's token, as far as the client may have to be looked at again. */
interface ClientProof {
  readonly claims: AccessClaims;
  readonly providerToken: ProviderToken | null;
  readonly clients: ClientRecall;
}

/**
 * Takes a request for the client whose token it brought.
 *
 * @throws InvalidTokenError when the client is gone or the token was revoked; AuthUnavailableError when it cannot be
 *   decided.
 */
export function identifyClient(proof: ClientProof): RequestIdentity | Promise<RequestIdentity> {
  const recalled = proof.clients.recall(proof.claims.sub);
  const state = recalled === null ? null : stateOf(proof, recalled);
  return recalled === null || state === null
    ? identifyAnew(proof, false)
    : new ClientTokenIdentity(state, recalled.fence, proof);
}

async function identifyAnew(proof: ClientProof, fromDatabase: boolean): Promise<ClientTokenIdentity> {
  const recalled = await proof.clients.recallAnew(proof.claims.sub, fromDatabase);
  const state = recalled === null ? null : stateOf(proof, recalled);
  if (recalled !== null && state !== null) return new ClientTokenIdentity(state, recalled.fence, proof);
  // Redis may have fallen back to an older copy of itself: nobody is refused on its word.
  if (!fromDatabase) return identifyAnew(proof, true);
  if (recalled?.isStale === true) throw new AuthUnavailableError();
  throw new InvalidTokenError();
}

function stateOf({ claims, providerToken }: ClientProof, { client, tokens }: RecalledClient): ClientAuth | null {
  if (claims.epoch !== tokens.epoch || tokens.revoked.includes(claims.jti)) return null;
  // Narrower than the client at most: it may have lost scopes since the token was made.
  const scopes = claims.scopes === null ? client.scopes : claims.scopes.filter((scope) => holds(client.scopes, scope));
  return { ...client, method: 'jwt', tokenId: claims.jti, scopes, providerToken };
}

/** The identity of a client with a token, for one request. */
class ClientTokenIdentity implements RequestIdentity {
  constructor(
    readonly state: ClientAuth,
    readonly fence: CredentialFence | null,
    private readonly proof: ClientProof,
  ) {}

  async confirm(): Promise<RequestIdentity> {
    if (this.fence === null) return this;
    if (!(await this.proof.clients.confirm(this.fence))) return this.renew();
    return new ClientTokenIdentity(this.state, null, this.proof);
  }

  async renew(): Promise<RequestIdentity> {
    const { state } = await identifyAnew(this.proof, true);
    return new ClientTokenIdentity(state, null, this.proof);
  }
}
