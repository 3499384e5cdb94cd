import { Injectable } from '@nestjs/common';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import { InvalidTokenError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type AuditOrigin } from '../../records/audit/audit.service.js';
import { RefreshEffects } from './refresh-effects.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';
import { RefreshTokensRepository } from './refresh-tokens.repository.js';
import { type IssuedTokens, TokensService } from './tokens.service.js';

/** Seconds for which the same holder is given the same successor again: an answer may have been lost on its way. */
const RETRY_SECONDS = 10;

/** What a refresh gives, and whose it is. */
export interface RefreshedTokens extends IssuedTokens {
  readonly sessionId: string;
}

/**
 * Exchanges refresh tokens (RFC 6749, 6; rotation by RFC 9700, 4.14.2). Each is exchanged once; what comes after that is
 * either the same holder that did not get the answer, or two that hold the same token, and then neither keeps it.
 */
@Injectable()
export class RefreshService {
  constructor(
    private readonly settings: Settings,
    private readonly codec: RefreshTokenCodec,
    private readonly repository: RefreshTokensRepository,
    private readonly tokens: TokensService,
    private readonly clock: DatabaseClock,
    private readonly effects: RefreshEffects,
  ) {}

  /**
   * A new access token and the next refresh token. Without PostgreSQL it rejects with the driver's error, and nothing was
   * exchanged; without Redis it works.
   *
   * @throws InvalidTokenError for a token that is unknown, was used, or has ended with its session, user or epoch: alike;
   *   RateLimitedError for an address that presents many that nobody was given; AuthUnavailableError without a key to sign
   *   with, and then nothing was exchanged either.
   */
  async refresh(token: Secret, attempt: AuthAttempt, origin: AuditOrigin): Promise<RefreshedTokens> {
    if (!this.codec.isToken(token.reveal())) throw new InvalidTokenError();
    const successor = this.codec.successorOf(token);
    const presented = this.codec.hashOf(token);
    const result = await this.effects.inTransaction(async (transaction) => {
      const outcome = await this.repository.rotate(
        {
          presented,
          successor: this.codec.hashOf(successor),
          holder: this.codec.holderOf(attempt),
          at: new Date(this.clock.now()),
          idleSeconds: this.settings.REFRESH_IDLE_SECONDS,
          retrySeconds: RETRY_SECONDS,
        },
        transaction,
      );
      const follow = await this.effects.record(outcome, origin, transaction);
      if (outcome.outcome === 'refused' || outcome.outcome === 'reused') return { outcome, follow };
      // Before the commit: without a key to sign with nothing is exchanged.
      return { outcome, follow, tokens: this.tokens.renewed(outcome, successor, outcome.expiresAt) };
    });
    await result.follow?.();
    if (result.tokens === undefined) {
      // It stays spent: whoever tries many that nobody was given is known by that. Those that have ended are no guesses:
      // a whole office may hold them after all were revoked.
      if (result.outcome.familyId === null) await attempt.reserve(presented);
      throw new InvalidTokenError();
    }
    const { outcome, tokens } = result;
    this.effects.touch(outcome, attempt.address);
    return { ...tokens, sessionId: outcome.sessionId };
  }
}
