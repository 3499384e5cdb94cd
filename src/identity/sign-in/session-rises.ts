import { Injectable } from '@nestjs/common';
import type { UserAuth } from '../../kernel/auth-state.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { type SessionCookie, SessionCookieService } from '../sessions/session-cookie.service.js';
import { SessionsService } from '../sessions/sessions.service.js';

/** RFC 8176: a password. It adds no second factor and takes none away. */
const PASSWORD_PROOF = { amr: ['pwd'], mfa: false } as const;

/** A session in which somebody proves who they are once more. */
export interface SessionToRaise {
  readonly userId: string;
  readonly sessionId: string;
  /** What the request came with; null: the session is of tokens. */
  readonly cookie: SessionCookie | null;
}

/** A session in which somebody did. */
export interface RaisedSession {
  readonly sessionId: string;
  readonly authenticatedAt: Date;
  /** What a browser has to be given in place of what it came with; null: the session is of tokens. */
  readonly cookie: { readonly line: string; readonly csrfToken: string } | null;
}

/** Rises in privilege: what a password proves counts for its session, and a cookie from before it is no key to that. */
@Injectable()
export class SessionRises {
  constructor(
    private readonly sessions: SessionsService,
    private readonly cookies: SessionCookieService,
  ) {}

  /** The session of a request that was let on, from its raw header lines. */
  sessionOf({ userId, sessionId, method }: UserAuth, rawHeaders: readonly string[]): SessionToRaise {
    return { userId, sessionId, cookie: method === 'session' ? this.cookies.read(rawHeaders) : null };
  }

  /**
   * Raises the session. After the commit the change has to be followed (`PrincipalChanges.follow`): then the old cookie and
   * its CSRF token are refused everywhere, and what asks for a recent proof holds.
   *
   * @param passwordChangedAt when the password that was right was set; absent: it is known to be the user's.
   * @throws InvalidSessionError when the session has ended or has another cookie by now; InvalidLoginError when the
   *   password is no longer the user's; the driver's error when PostgreSQL is away.
   */
  async raise(
    session: SessionToRaise,
    transaction: Transaction,
    passwordChangedAt?: Date | null,
  ): Promise<RaisedSession> {
    const { sessionId, cookie } = session;
    const proof = { ...PASSWORD_PROOF, passwordChangedAt };
    if (cookie === null)
      return { sessionId, authenticatedAt: await this.sessions.renewProof(session, proof, transaction), cookie: null };
    const rotated = await this.sessions.rotateSecret(cookie, proof, transaction);
    const { secret, authenticatedAt } = rotated;
    const line = this.cookies.replace(cookie, rotated);
    return { sessionId, authenticatedAt, cookie: { line, csrfToken: this.cookies.csrfTokenOf(secret) } };
  }
}
