import { Injectable } from '@nestjs/common';
import { InvalidLoginError, InvalidSessionError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { hashOfSecret, newSecret, type SessionCookie } from './session-cookie.js';
import { type LockedUser, SessionsRepository } from './sessions.repository.js';

/** How a user proved anew who they are; it is added to what the session knows already. */
export interface RenewedProof {
  /** RFC 8176. */
  readonly amr: readonly string[];
  readonly mfa: boolean;
  /** When the password that was right was set, if one was and it is still to be the user's. */
  readonly passwordChangedAt?: Date | null;
}

/** A session by cookie with another secret. */
export interface RotatedSession {
  readonly secret: Secret;
  /** When the user last proved who they are. */
  readonly authenticatedAt: Date;
  /** Whole seconds a browser keeps the cookie; null: until it is closed. */
  readonly keptSeconds: number | null;
}

/** What a user proves after the sign-in, and the secret that goes with it. */
@Injectable()
export class SessionProofs {
  constructor(
    private readonly repository: SessionsRepository,
    private readonly clock: DatabaseClock,
  ) {}

  /** As `SessionsService.rotateSecret`. */
  async rotate(cookie: SessionCookie, proof: RenewedProof | null, transaction: Transaction): Promise<RotatedSession> {
    const { userId, sessionId: id } = cookie;
    await this.#lock(userId, proof, transaction);
    const secret = newSecret();
    const hashes = { before: hashOfSecret(cookie.secret), after: hashOfSecret(secret) };
    const session = { userId, id, now: new Date(this.clock.now()) };
    const raised = await this.repository.raise(session, hashes, proof, transaction);
    if (raised === null) throw new InvalidSessionError();
    return { secret, ...raised };
  }

  /** As `SessionsService.renewProof`. */
  async renew(
    { userId, sessionId: id }: { readonly userId: string; readonly sessionId: string },
    proof: RenewedProof,
    transaction: Transaction,
  ): Promise<Date> {
    await this.#lock(userId, proof, transaction);
    const session = { userId, id, now: new Date(this.clock.now()) };
    const raised = await this.repository.raise(session, null, proof, transaction);
    if (raised === null) throw new InvalidSessionError();
    return raised.authenticatedAt;
  }

  async #lock(userId: string, proof: RenewedProof | null, transaction: Transaction): Promise<void> {
    const user = await this.repository.lockUser(userId, transaction);
    if (proof !== null) assertProofStands(user, proof.passwordChangedAt);
  }
}

/**
 * Whoever was suspended, or changed the password, while theirs was looked at, is refused like everybody else.
 *
 * @param passwordChangedAt of the password that was right; absent: there was none.
 * @throws InvalidLoginError
 */
export function assertProofStands(user: LockedUser | null, passwordChangedAt?: Date | null): void {
  if (user?.status !== 'active') throw new InvalidLoginError();
  if (passwordChangedAt !== undefined && user.passwordChangedAt?.getTime() !== passwordChangedAt?.getTime())
    throw new InvalidLoginError();
}
