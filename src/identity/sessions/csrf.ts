import { createHmac, timingSafeEqual } from 'node:crypto';
import { CsrfError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Said by browsers of requests that the page itself or the person made; scripts cannot set it. */
const OWN_SITES: ReadonlySet<string> = new Set(['same-origin', 'none']);

/** As much of a request as tells whose page made it. */
export interface PageRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * The token a page of the session has to send: made from the session's secret, so that it is another one for each
 * session and after each rotation, and nothing has to be kept.
 */
export function csrfTokenOf(secret: Secret): string {
  return createHmac('sha256', secret.reveal()).update('core-nest/csrf/v1').digest('base64url');
}

/**
 * Makes sure that a request with the cookie of a session was made by a page of this service: for every method that may
 * change something, `X-CSRF-Token` is the session's, and `Sec-Fetch-Site` and `Origin`, where a browser sent them, say
 * the same.
 *
 * @param ownOrigin where this service is reached, as browsers write it (RFC 6454, 6.2); the request's own `Host` is
 *   right too, because no page can make a browser send another.
 * @throws CsrfError when it was not.
 */
export function assertOwnPage({ method, headers }: PageRequest, secret: Secret, ownOrigin: string): void {
  if (SAFE_METHODS.has(method)) return;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && (typeof site !== 'string' || !OWN_SITES.has(site))) throw new CsrfError();
  const { origin } = headers;
  if (origin !== undefined && origin !== ownOrigin && !isOfHost(origin, headers.host)) throw new CsrfError();
  const token = headers['x-csrf-token'];
  if (typeof token !== 'string' || !isEqual(token, csrfTokenOf(secret))) throw new CsrfError();
}

function isOfHost(origin: string | string[], host: string | string[] | undefined): boolean {
  return typeof host === 'string' && (origin === `https://${host}` || origin === `http://${host}`);
}

function isEqual(presented: string, expected: string): boolean {
  const left = Buffer.from(presented);
  const right = Buffer.from(expected);
  return left.length === right.length && timingSafeEqual(left, right);
}
