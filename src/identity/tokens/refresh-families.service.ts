import { Injectable } from '@nestjs/common';
import { Secret } from '../../kernel/secret.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';
import { type RefreshTokenState, RefreshTokensRepository } from './refresh-tokens.repository.js';

/** A family and whose it is. */
type Family = Pick<RefreshTokenState, 'familyId' | 'sessionId' | 'userId'>;

/**
 * The sign-ins that refresh tokens belong to. Ending one changes its user, which is to be followed. Every call rejects
 * with the driver's error when PostgreSQL is away.
 */
@Injectable()
export class RefreshFamilies {
  constructor(
    private readonly codec: RefreshTokenCodec,
    private readonly repository: RefreshTokensRepository,
    private readonly sessions: SessionsService,
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

  /** Ends a family that was revoked, and its session. */
  async revoke({ familyId, sessionId, userId }: Family, transaction: Transaction): Promise<void> {
    await this.sessions.end(userId, sessionId, { reason: 'signed_out', origin: null }, transaction);
    await this.repository.end(familyId, new Date(this.clock.now()), 'revoked', transaction);
  }

  /** Ends the session of a family that has ended because one of its tokens was used twice. */
  async endReused({ sessionId, userId }: Family, transaction: Transaction): Promise<void> {
    await this.sessions.end(userId, sessionId, { reason: 'token_reuse', origin: null }, transaction);
  }

  /** Ends every session of a user that has tokens. Those by cookie go on. */
  async endAllOf(userId: string, transaction: Transaction): Promise<void> {
    for (const sessionId of await this.repository.sessionsOf(userId, transaction))
      await this.sessions.end(userId, sessionId, { reason: 'ended_by_administrator', origin: null }, transaction);
  }

  /** Notes that a session was used just now. Never waits. */
  touch(id: string, idleSeconds: number, address: string): void {
    this.sessions.touch({ id, idleSeconds }, address);
  }
}
