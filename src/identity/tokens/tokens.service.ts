import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { OWN_CLIENT_ID } from './access-claims.js';
import { AccessTokensService, type SignedToken } from './access-tokens.service.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';
import { type FamilyState, RefreshTokensRepository } from './refresh-tokens.repository.js';

/** The session tokens are given out for. */
export interface TokenSession {
  readonly id: string;
  readonly userId: string;
  readonly amr: readonly string[];
  readonly authenticatedAt: Date;
  readonly expiresAt: Date;
}

/** What a sign-in or a refresh gives; both tokens are shown this once. */
export interface IssuedTokens {
  readonly accessToken: Secret;
  /** Whole seconds the access token lives. */
  readonly expiresIn: number;
  readonly refreshToken: Secret;
  /** Whole seconds after which the refresh token has ended if it is not used. */
  readonly refreshExpiresIn: number;
}

/** Gives out the tokens of a user's session. */
@Injectable()
export class TokensService {
  constructor(
    private readonly settings: Settings,
    private readonly access: AccessTokensService,
    private readonly codec: RefreshTokenCodec,
    private readonly repository: RefreshTokensRepository,
    private readonly clock: DatabaseClock,
  ) {}

  /**
   * An access token, and the first refresh token of a family that is bound to the session. Written in the transaction
   * that opens the session.
   *
   * @throws AuthUnavailableError when this replica has no key to sign with; rejects with the driver's error.
   */
  async issue({ session }: { readonly session: TokenSession }, transaction: Transaction): Promise<IssuedTokens> {
    const now = this.clock.now();
    const familyEnd = Math.min(session.expiresAt.getTime(), now + this.settings.REFRESH_TTL_SECONDS * 1000);
    const tokenEnd = Math.min(familyEnd, now + this.settings.REFRESH_IDLE_SECONDS * 1000);
    const refreshToken = this.codec.random();
    const family = {
      id: newId('rft'),
      sessionId: session.id,
      userId: session.userId,
      tokenHash: this.codec.hashOf(refreshToken),
      at: new Date(now),
      expiresAt: new Date(familyEnd),
      tokenExpiresAt: new Date(tokenEnd),
    };
    const epoch = await this.repository.open(family, transaction);
    const { token, expiresIn } = this.#signFor({ ...session, epoch });
    return { accessToken: token, expiresIn, refreshToken, refreshExpiresIn: seconds(tokenEnd - now) };
  }

  /** The access token that goes with a refresh token that was just exchanged for `refreshToken`. Throws as `issue`. */
  renewed(state: FamilyState, refreshToken: Secret, refreshEnd: Date): IssuedTokens {
    const { sessionId: id, sessionExpiresAt: expiresAt } = state;
    const { token, expiresIn } = this.#signFor({ ...state, id, expiresAt });
    const refreshExpiresIn = seconds(refreshEnd.getTime() - this.clock.now());
    return { accessToken: token, expiresIn, refreshToken, refreshExpiresIn };
  }

  #signFor({ id, userId, amr, authenticatedAt, expiresAt, epoch }: TokenSession & { epoch: string }): SignedToken {
    const latest = this.clock.now() + this.settings.ACCESS_TOKEN_TTL_SECONDS * 1000;
    return this.access.sign({
      sub: userId,
      clientId: OWN_CLIENT_ID,
      epoch,
      expiresAt: Math.min(latest, expiresAt.getTime()),
      sessionId: id,
      authTime: authenticatedAt.getTime(),
      amr,
    });
  }
}

function seconds(milliseconds: number): number {
  return Math.max(0, Math.round(milliseconds / 1000));
}
