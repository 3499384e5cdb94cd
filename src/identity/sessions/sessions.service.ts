import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { originOf } from '../../records/audit/audit.service.js';
import { UserLifecycle, type UserLifecycleEvent } from '../users/user-lifecycle.service.js';
import { KnownDevices } from './devices/known-devices.service.js';
import type { SessionCookie } from './session-cookie.js';
import { type EndedSessions, type SessionEnd, SessionEnds } from './session-ends.js';
import { type OpenedSession, SessionOpening, type SignIn, type SignInFacts } from './session-opening.js';
import { type RenewedProof, type RotatedSession, SessionProofs } from './session-proofs.js';
import { SessionUses } from './session-uses.js';

export type { EndedSessions, SessionEnd } from './session-ends.js';
export type { OpenedSession, SignIn, SignInFacts } from './session-opening.js';
export type { RenewedProof, RotatedSession } from './session-proofs.js';

/**
 * Sessions: how they begin, are used and end. PostgreSQL alone decides; every method rejects with the driver's error when
 * it is away, but for `touch`, which waits for it. Redis has no part here.
 */
@Injectable()
export class SessionsService implements OnModuleInit {
  constructor(
    private readonly opening: SessionOpening,
    private readonly ends: SessionEnds,
    private readonly uses: SessionUses,
    private readonly devices: KnownDevices,
    private readonly proofs: SessionProofs,
    private readonly lifecycle: UserLifecycle,
  ) {}

  onModuleInit(): void {
    this.lifecycle.on((event, transaction) => this.#onLifecycle(event, transaction));
  }

  /** What a request says of where and on what somebody signs in with it. */
  factsOf(request: HttpRequest): SignInFacts {
    return {
      address: request.record.address,
      userAgent: request.headers['user-agent'] ?? null,
      deviceId: this.devices.deviceOf(request.raw.rawHeaders),
      origin: originOf(request),
    };
  }

  /**
   * Makes the session of a sign-in that succeeded, with an id and a secret that no request could name before. However many
   * sign in at once, a user never has more than `SESSIONS_PER_USER` live sessions: the oldest end, or this one is refused.
   * What is unusual about it is written to the audit log. After the commit `change` has to be followed
   * (`PrincipalChanges.follow`), and the device's cookie set (`KnownDevices.cookieOf(session.deviceId)`).
   *
   * @throws SessionLimitError with `SESSIONS_WHEN_FULL=refuse`; InvalidLoginError when the user is no longer active, or the
   *   password no longer the one that was checked.
   */
  open(signIn: SignIn, transaction: Transaction): Promise<OpenedSession> {
    return this.opening.open(signIn, transaction);
  }

  /**
   * Ends a session, and with it its cookie or tokens. One that has ended already stays as it is; null: the user has no
   * such session. After the commit `change` has to be followed.
   */
  end(userId: string, sessionId: string, end: SessionEnd, transaction: Transaction): Promise<EndedSessions | null> {
    return this.ends.one(userId, sessionId, end, transaction);
  }

  /** Ends all sessions of a user, but for `except`. After the commit `change` has to be followed. */
  endAllOf(
    userId: string,
    { except, ...end }: SessionEnd & { readonly except: string | null },
    transaction: Transaction,
  ): Promise<EndedSessions> {
    return this.ends.all(userId, except, end, transaction);
  }

  /**
   * Gives a session by cookie another secret: at every rise in privilege, so that who held the cookie before holds nothing
   * after. The old one is refused, and the CSRF token is another, as soon as the change was followed (or, on this replica,
   * read). However many present one cookie at once, one of them gets the next.
   *
   * @param cookie the one that was presented.
   * @param proof how the user proved anew who they are; null: they did not.
   * @throws InvalidSessionError when there is no such live session, or it has another secret by now; InvalidLoginError when
   *   the user is no longer active, or the password no longer the one that was checked.
   */
  rotateSecret(cookie: SessionCookie, proof: RenewedProof | null, transaction: Transaction): Promise<RotatedSession> {
    return this.proofs.rotate(cookie, proof, transaction);
  }

  /**
   * Notes that the user of a session of tokens proved anew who they are: what is asked of the time since holds once the
   * change was followed. Its tokens stay what they are. Resolves to when it was; throws as `rotateSecret` does.
   */
  renewProof(
    session: { readonly userId: string; readonly sessionId: string },
    proof: RenewedProof,
    transaction: Transaction,
  ): Promise<Date> {
    return this.proofs.renew(session, proof, transaction);
  }

  /**
   * Notes that a session was used just now, from this address. Never throws and never waits: PostgreSQL hears of it within
   * a minute, or when it is back.
   */
  touch(session: { readonly id: string; readonly idleSeconds: number }, address: string): void {
    this.uses.note(session, address);
  }

  /** What becomes of users is in the audit log by itself. */
  async #onLifecycle(event: UserLifecycleEvent, transaction: Transaction): Promise<void> {
    if (event.type === 'restored') return;
    const except = event.keepSessionId ?? null;
    await this.ends.all(event.userId, except, { reason: event.type, origin: null }, transaction);
  }
}
