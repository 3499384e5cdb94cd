import { Injectable } from '@nestjs/common';
import { PrincipalsService } from '../principals/principals.service.js';
import { SessionCookieService } from '../sessions/session-cookie.service.js';

/** A live session by cookie that a request proved to hold. */
export interface PresentedSession {
  readonly userId: string;
  readonly sessionId: string;
}

/** The session by cookie that a browser brings along to a sign-in. */
@Injectable()
export class PresentedSessions {
  constructor(
    private readonly cookies: SessionCookieService,
    private readonly principals: PrincipalsService,
  ) {}

  /**
   * The session whose cookie and secret a request carries; null for none, one that has ended, or anything that is no such
   * cookie: nobody is kept from signing in by what somebody put into their browser.
   *
   * @throws AuthUnavailableError when that cannot be known.
   */
  async of(rawHeaders: readonly string[]): Promise<PresentedSession | null> {
    const cookie = this.#read(rawHeaders);
    if (cookie === null) return null;
    const { userId, sessionId, secret } = cookie;
    // What is remembered of a user need not know their newest session.
    const resolved = await this.principals.resolveAnew(userId);
    const session = resolved?.principal.sessions.find(({ id }) => id === sessionId);
    if (session === undefined || !this.cookies.isSecretOf(secret, session.secretHash)) return null;
    return { userId, sessionId };
  }

  #read(rawHeaders: readonly string[]) {
    try {
      return this.cookies.read(rawHeaders);
    } catch {
      return null;
    }
  }
}
