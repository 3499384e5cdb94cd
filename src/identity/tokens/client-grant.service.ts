import { Injectable } from '@nestjs/common';
import { AuthUnavailableError, InvalidRequestError } from '../../kernel/app-error.js';
import type { AuthState, ClientAuth, RequestIdentity } from '../../kernel/auth-state.js';
import { TokenRequestError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { issuerOf } from '../../platform/config/issuer.js';
import { Settings } from '../../platform/config/settings.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { holds } from '../access/access.service.js';
import { ClientRecall } from '../clients/client-recall.service.js';
import { AccessTokensService } from './access-tokens.service.js';

const LIFE_MS = 600_000;
const GRANT_TYPE = 'client_credentials';
/** RFC 6749, 3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const MAX_SCOPES = 64;

/** A short token in place of a long key. */
export interface ClientToken {
  readonly accessToken: Secret;
  /** Whole seconds. */
  readonly expiresIn: number;
  readonly scopes: readonly string[];
}

/** The grant `client_credentials` (RFC 6749, 4.4): a client that proved its secret gets a token for ten minutes. */
@Injectable()
export class ClientGrantService {
  readonly #targets: ReadonlySet<string>;

  constructor(
    settings: Settings,
    private readonly clients: ClientRecall,
    private readonly tokens: AccessTokensService,
    private readonly audit: AuditService,
    private readonly clock: DatabaseClock,
  ) {
    this.#targets = new Set([settings.JWT_AUDIENCE, issuerOf(settings)]);
  }

  /**
   * A token that may do what the client may, or less where `scope` says so; never past the client's own end. The secret is
   * looked at again after the epoch was read: one that is revoked while the body is on its way gets no token that outlives
   * it.
   *
   * @param parameters of the request's form; those it does not know it ignores (3.2).
   * @throws TokenRequestError or InvalidRequestError with the codes of 5.2; InvalidApiKeyError; AuthUnavailableError; the
   *   driver's error when PostgreSQL is away, because no token is given that is not recorded.
   */
  async grant(
    identity: RequestIdentity,
    parameters: ReadonlyMap<string, string>,
    origin: AuditOrigin,
  ): Promise<ClientToken> {
    const { clientId } = this.#clientOf(identity.state);
    this.#assertUnderstood(parameters, clientId);
    const recalled = await this.clients.recallAnew(clientId);
    if (recalled === null) throw new AuthUnavailableError();
    const { tokens, expiresAt } = recalled;
    const client = this.#clientOf((await identity.renew()).state);
    const scopes = scopesOf(parameters.get('scope'), client.scopes);
    const latest = this.clock.now() + LIFE_MS;
    const { token, jti, expiresIn } = this.tokens.sign({
      sub: client.clientId,
      clientId: client.clientId,
      epoch: tokens.epoch,
      expiresAt: Math.min(latest, expiresAt ?? latest),
      scopes,
    });
    const subject = { type: 'token', id: jti } as const;
    const details = {
      client_id: client.clientId,
      scopes,
      expires_at: new Date(this.clock.now() + expiresIn * 1000).toISOString(),
    };
    await this.audit.record({ action: 'token.issue', origin, subject, details });
    return { accessToken: token, expiresIn, scopes };
  }

  /** A token is not traded for another: it would never end. */
  #clientOf(state: AuthState): ClientAuth {
    if (state.kind === 'client' && state.method === 'client') return state;
    throw new TokenRequestError(
      'unauthorized_client',
      'Only a client gets tokens here, for its id and secret: neither users nor other tokens do.',
    );
  }

  #assertUnderstood(parameters: ReadonlyMap<string, string>, clientId: string): void {
    if (parameters.has('client_secret') || parameters.has('client_assertion'))
      throw invalid('client_secret', 'is not read here; authenticate with HTTP Basic alone');
    const named = parameters.get('client_id');
    if (named !== undefined && named !== clientId)
      throw invalid('client_id', 'is another one than the client that authenticated');
    const type = parameters.get('grant_type');
    if (type === undefined) throw invalid('grant_type', `is missing; send ${GRANT_TYPE}`);
    if (type !== GRANT_TYPE)
      throw new TokenRequestError('unsupported_grant_type', `The only grant type here is ${GRANT_TYPE}.`);
    for (const name of ['resource', 'audience']) {
      const target = parameters.get(name);
      if (target !== undefined && !this.#targets.has(target))
        throw new TokenRequestError('invalid_target', 'Tokens are given for this service alone.');
    }
  }
}

function scopesOf(asked: string | undefined, held: readonly string[]): readonly string[] {
  if (asked === undefined) return held;
  const scopes = SCOPE.test(asked) ? [...new Set(asked.split(' '))] : [];
  if (scopes.length === 0 || scopes.length > MAX_SCOPES || !scopes.every((scope) => holds(held, scope)))
    throw new TokenRequestError('invalid_scope', 'The scope names what this client does not hold.');
  return scopes;
}

function invalid(name: string, message: string): InvalidRequestError {
  return new InvalidRequestError([{ location: `body.${name}`, message }]);
}
