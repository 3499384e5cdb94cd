import { Injectable } from '@nestjs/common';
import { Secret } from '../../kernel/secret.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';
import { type RefreshTokenState, RefreshTokensRepository } from './refresh-tokens.repository.js';

/** The sign-ins that refresh tokens belong to. Every call rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class RefreshFamilies {
  constructor(
    private readonly codec: RefreshTokenCodec,
    private readonly repository: RefreshTokensRepository,
    private readonly clock: DatabaseClock,
  ) {}

  /** Whether a text is a refresh token by its form. */
  isToken(text: string): boolean {
    return this.codec.isToken(text);
  }

  /** The refresh token as it stands; null when there is none. Using it is another matter: this changes nothing. */
  async find(token: string): Promise<RefreshTokenState | null> {
    return this.repository.find(this.codec.hashOf(new Secret(token)), new Date(this.clock.now()));
  }

  /** Ends a family and its session; to be followed as a change of the user. */
  async end(
    { familyId, sessionId }: Pick<RefreshTokenState, 'familyId' | 'sessionId'>,
    reason: 'revoked' | 'token_reuse',
    transaction: Transaction,
  ): Promise<void> {
    const at = new Date(this.clock.now());
    await this.repository.end(familyId, at, reason, transaction);
    await this.repository.endSession(sessionId, at, reason, transaction);
  }
}
