import { Injectable } from '@nestjs/common';
import { InvalidApiKeyError } from '../../../kernel/app-error.js';
import type { AuthAttempt } from '../../../kernel/auth-attempt.js';
import type { ClientAuth, CredentialFence, ProviderToken, RequestIdentity } from '../../../kernel/auth-state.js';
import { type ClientCredential, CredentialService, type VerifiedCredential } from '../../clients/credential.service.js';
import type { AuthStrategy, IdentityClaim } from '../auth-strategy.js';
import { bearerJwtOf, type PresentedCredentials, type PresentedIdentity } from '../credential-headers.js';

const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Our own keys: as a bearer token (RFC 6750), in one of the API-key headers, or as id and secret (RFC 7617 Basic). A
 * provider token beside one makes it attributed BYOT.
 */
@Injectable()
export class ClientCredentialsStrategy implements AuthStrategy {
  readonly method = 'client';

  constructor(private readonly credentials: CredentialService) {}

  /** Claims every identity header but those with a JWT. */
  recognise(presented: PresentedCredentials): IdentityClaim | null {
    const { identity, providerToken } = presented;
    if (identity === null || bearerJwtOf(identity) !== null) return null;
    return { authenticate: (attempt) => this.#authenticate(identity, providerToken, attempt) };
  }

  #authenticate(
    identity: PresentedIdentity,
    providerToken: ProviderToken | null,
    attempt: AuthAttempt,
  ): RequestIdentity | Promise<RequestIdentity> {
    const credential =
      identity.header === 'api-key'
        ? this.credentials.readApiKey(identity.value.reveal())
        : this.#readAuthorization(identity.value.reveal());
    if (credential === null) throw new InvalidApiKeyError();
    const presented: Presented = { credential, providerToken, attempt };
    const verified = this.credentials.verify(credential, attempt);
    if (verified instanceof Promise)
      return verified.then((settled) => new ClientIdentity(settled, presented, this.credentials));
    return new ClientIdentity(verified, presented, this.credentials);
  }

  #readAuthorization(value: string): ClientCredential | null {
    if (value.length > 7 && value.slice(0, 7).toLowerCase() === 'bearer ')
      return this.credentials.readApiKey(value.slice(7));
    if (value.length > 6 && value.slice(0, 6).toLowerCase() === 'basic ') return this.#readBasic(value.slice(6));
    return null;
  }

  #readBasic(encoded: string): ClientCredential | null {
    if (!CANONICAL_BASE64.test(encoded)) return null;
    const text = Buffer.from(encoded, 'base64').toString('latin1');
    const colon = text.indexOf(':');
    return colon < 0 ? null : this.credentials.readPair(text.slice(0, colon), text.slice(colon + 1));
  }
}

/** What a request presented, for as long as it may have to be checked again. */
interface Presented {
  readonly credential: ClientCredential;
  readonly providerToken: ProviderToken | null;
  readonly attempt: AuthAttempt;
}

/** The identity of a client for one request; holds the credential for as long as it may have to be checked again. */
class ClientIdentity implements RequestIdentity {
  readonly state: ClientAuth;
  readonly fence: CredentialFence | null;

  constructor(
    verified: VerifiedCredential,
    private readonly presented: Presented,
    private readonly credentials: CredentialService,
  ) {
    const { providerToken } = presented;
    this.state = providerToken === null ? verified.client : { ...verified.client, providerToken };
    this.fence = verified.fence;
  }

  async confirm(): Promise<RequestIdentity> {
    if (this.fence === null) return this;
    if (!(await this.credentials.confirm(this.fence))) return this.renew();
    return new ClientIdentity({ client: this.state, fence: null }, this.presented, this.credentials);
  }

  async renew(): Promise<RequestIdentity> {
    const { credential, attempt } = this.presented;
    const verified = await this.credentials.verifyAnew(credential, attempt, this.fence);
    return new ClientIdentity({ ...verified, fence: null }, this.presented, this.credentials);
  }
}
