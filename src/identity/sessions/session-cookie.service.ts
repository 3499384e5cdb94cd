import { Injectable } from '@nestjs/common';
import type { Secret } from '../../kernel/secret.js';
import { issuerOf } from '../../platform/config/issuer.js';
import { Settings } from '../../platform/config/settings.js';
import { assertOwnPage, csrfTokenOf, type PageRequest } from './csrf.js';
import {
  clearSessionCookie,
  isSecretOf,
  readSessionCookie,
  type SessionCookie,
  setSessionCookie,
} from './session-cookie.js';
import type { RotatedSession } from './session-proofs.js';

export type { SessionCookie } from './session-cookie.js';

/** The cookie of a session, and what keeps other sites' pages from using it. Nothing here waits or asks anybody. */
@Injectable()
export class SessionCookieService {
  readonly #ownOrigin: string;
  readonly #rememberSeconds: number;

  constructor(settings: Settings) {
    this.#ownOrigin = new URL(issuerOf(settings)).origin;
    this.#rememberSeconds = settings.SESSION_REMEMBER_SECONDS;
  }

  /**
   * The session a request claims, from its raw header lines; null: none.
   *
   * @throws AmbiguousCredentialsError for two cookies of the name, InvalidSessionError for a value that cannot be one.
   */
  read(rawHeaders: readonly string[]): SessionCookie | null {
    return readSessionCookie(rawHeaders);
  }

  /** Whether a cookie's secret is the one a session's `secret_hash` was made of; in constant time. */
  isSecretOf(secret: Secret, secretHash: string | null): boolean {
    return isSecretOf(secret, secretHash);
  }

  /** The `Set-Cookie` of a session. Remembered, the browser keeps it; else it forgets it when it is closed. */
  set(cookie: SessionCookie, remember: boolean): string {
    return setSessionCookie(cookie, remember ? this.#rememberSeconds : null);
  }

  /** The `Set-Cookie` of a session whose secret was rotated: kept as long as the one before would have been. */
  replace(cookie: SessionCookie, { secret, keptSeconds }: Pick<RotatedSession, 'secret' | 'keptSeconds'>): string {
    return setSessionCookie({ ...cookie, secret }, keptSeconds);
  }

  /** The `Set-Cookie` that makes a browser forget its session. */
  clear(): string {
    return clearSessionCookie();
  }

  /** The `X-CSRF-Token` of a session: another one for each secret. */
  csrfTokenOf(secret: Secret): string {
    return csrfTokenOf(secret);
  }

  /**
   * Makes sure that a request which may change something was made by a page of this service.
   *
   * @throws CsrfError when it was not.
   */
  assertOwnPage(request: PageRequest, secret: Secret): void {
    assertOwnPage(request, secret, this.#ownOrigin);
  }
}
