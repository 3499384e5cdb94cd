import { Injectable } from '@nestjs/common';
import { InvalidTokenError } from '../../kernel/identity-errors.js';
import { issuerOf } from '../../platform/config/issuer.js';
import { Settings } from '../../platform/config/settings.js';
import { OWN_CLIENT_ID } from './access-claims.js';
import { type AccessClaims, AccessTokensService } from './access-tokens.service.js';
import { RefreshFamilies } from './refresh-families.service.js';
import { TokenStanding } from './token-standing.service.js';

/** What is said of a token (RFC 7662, 2.2); of one that is not good nothing but that. Times in seconds. */
export interface Introspection {
  readonly active: boolean;
  readonly iss?: string;
  readonly aud?: string;
  readonly sub?: string;
  readonly client_id?: string;
  readonly token_type?: 'Bearer' | 'refresh_token';
  readonly jti?: string;
  readonly sid?: string;
  readonly scope?: string;
  readonly iat?: number;
  readonly exp?: number;
  readonly auth_time?: number;
}

const INACTIVE: Introspection = { active: false };

/** Says whether a token is good at this moment, and whose it is (RFC 7662). Using a refresh token is left to its holder. */
@Injectable()
export class IntrospectionService {
  readonly #issuer: string;
  readonly #audience: string;

  constructor(
    settings: Settings,
    private readonly access: AccessTokensService,
    private readonly standing: TokenStanding,
    private readonly families: RefreshFamilies,
  ) {
    this.#issuer = issuerOf(settings);
    this.#audience = settings.JWT_AUDIENCE;
  }

  /** @throws AuthUnavailableError, or the driver's error, when it cannot be known. */
  async describe(token: string): Promise<Introspection> {
    if (this.families.isToken(token)) return this.#describeRefreshToken(token);
    const claims = this.#read(token);
    return claims !== null && (await this.standing.isGood(claims)) ? this.#describeAccessToken(claims) : INACTIVE;
  }

  #read(token: string): AccessClaims | null {
    try {
      return this.access.read(token);
    } catch (error) {
      if (error instanceof InvalidTokenError) return null;
      throw error;
    }
  }

  #describeAccessToken(claims: AccessClaims): Introspection {
    const { sub, clientId, jti, sessionId, scopes, issuedAt, expiresAt, authTime } = claims;
    return {
      active: true,
      iss: this.#issuer,
      aud: this.#audience,
      sub,
      client_id: clientId,
      token_type: 'Bearer',
      jti,
      ...(sessionId !== null && { sid: sessionId }),
      ...(scopes !== null && { scope: scopes.join(' ') }),
      iat: issuedAt / 1000,
      exp: expiresAt / 1000,
      ...(authTime !== null && { auth_time: authTime / 1000 }),
    };
  }

  async #describeRefreshToken(token: string): Promise<Introspection> {
    const found = await this.families.find(token);
    if (!found?.isLive) return INACTIVE;
    return {
      active: true,
      iss: this.#issuer,
      sub: found.userId,
      client_id: OWN_CLIENT_ID,
      token_type: 'refresh_token',
      sid: found.sessionId,
      iat: Math.floor(found.createdAt.getTime() / 1000),
      exp: Math.floor(found.expiresAt.getTime() / 1000),
    };
  }
}
