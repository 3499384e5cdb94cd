import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { AmbiguousCredentialsError } from '../../kernel/app-error.js';
import { InvalidSessionError } from '../../kernel/identity-errors.js';
import { isId } from '../../kernel/ids.js';
import { Secret } from '../../kernel/secret.js';

/** `__Host-` (RFC 6265bis, 4.1.3.2): browsers take it only with Secure and Path=/, and from this very host. */
export const SESSION_COOKIE = '__Host-core-nest-session';

/** What the cookie of a session says: `<user id>.<session id>.<43 base64url>`. The last part is the secret. */
export interface SessionCookie {
  readonly userId: string;
  readonly sessionId: string;
  readonly secret: Secret;
}

const SECRET_BYTES = 32;
/** The last digit stands for four bits, so that each secret has one spelling. */
const SECRET_PATTERN = /^[0-9A-Za-z_-]{42}[AEIMQUYcgkosw048]$/;
const VALUE_LENGTH = 24 + 1 + 24 + 1 + 43;

/**
 * Reads the cookie of a session from the raw header lines (name, value, name, value …). Null: there is none. A value is
 * taken as it stands: no quotes, no percent-encoding, no other case of the name.
 *
 * @throws AmbiguousCredentialsError for two cookies of the name, InvalidSessionError for a value that cannot be one.
 */
export function readSessionCookie(rawHeaders: readonly string[]): SessionCookie | null {
  const [value, ...others] = readCookies(rawHeaders, SESSION_COOKIE);
  if (value === undefined) return null;
  if (others.length > 0)
    throw new AmbiguousCredentialsError(`The cookie ${SESSION_COOKIE} was sent twice. Send it once.`);
  const [userId, sessionId, secret, ...rest] = value.length === VALUE_LENGTH ? value.split('.') : [];
  if (userId === undefined || sessionId === undefined || secret === undefined || rest.length > 0)
    throw new InvalidSessionError();
  if (!isId('usr', userId) || !isId('ses', sessionId) || !SECRET_PATTERN.test(secret)) throw new InvalidSessionError();
  return { userId, sessionId, secret: new Secret(secret) };
}

/**
 * The values of all cookies of a name, from the raw header lines. Cookies end at every semicolon (RFC 6265, 5.2), whatever
 * quotes stand around it.
 */
export function readCookies(rawHeaders: readonly string[], name: string): string[] {
  const found: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index] ?? '';
    if (header.length !== 6 || header.toLowerCase() !== 'cookie') continue;
    const line = rawHeaders[index + 1] ?? '';
    for (let at = line.indexOf(name); at >= 0; at = line.indexOf(name, at + name.length)) {
      if (!beginsCookie(line, at) || line[at + name.length] !== '=') continue;
      const end = line.indexOf(';', at);
      found.push(line.slice(at + name.length + 1, end < 0 ? undefined : end).trimEnd());
    }
  }
  return found;
}

/** Only blanks stand between a position and the start of the line or the semicolon before it. */
function beginsCookie(line: string, position: number): boolean {
  let at = position - 1;
  while (at >= 0 && (line[at] === ' ' || line[at] === '\t')) at--;
  return at < 0 || line[at] === ';';
}

/**
 * The `Set-Cookie` of a session.
 *
 * @param maxAgeSeconds how long the browser keeps it; null: until it is closed.
 */
export function setSessionCookie({ userId, sessionId, secret }: SessionCookie, maxAgeSeconds: number | null): string {
  return setCookie(SESSION_COOKIE, `${userId}.${sessionId}.${secret.reveal()}`, maxAgeSeconds);
}

/** The `Set-Cookie` that makes a browser forget its session. */
export function clearSessionCookie(): string {
  return setCookie(SESSION_COOKIE, '', 0);
}

/** A `Set-Cookie` of ours: for this host alone, by TLS alone, out of reach of scripts, and not sent by other sites' forms. */
export function setCookie(name: string, value: string, maxAgeSeconds: number | null): string {
  const age = maxAgeSeconds === null ? '' : `; Max-Age=${maxAgeSeconds}`;
  return `${name}=${value}; Path=/${age}; Secure; HttpOnly; SameSite=Lax`;
}

/** A new secret for the cookie of a session. */
export function newSecret(): Secret {
  return new Secret(randomBytes(SECRET_BYTES).toString('base64url'));
}

/** What is kept of a session's secret. It is 256 random bits, so that one fast digest is enough. */
export function hashOfSecret(secret: Secret): string {
  return hash('sha256', secret.reveal(), 'base64url');
}

/** Whether a secret is the one a hash was made of; in a time that tells nothing about either. */
export function isSecretOf(secret: Secret, secretHash: string | null): boolean {
  if (secretHash === null) return false;
  const presented = Buffer.from(hashOfSecret(secret));
  const kept = Buffer.from(secretHash);
  return presented.length === kept.length && timingSafeEqual(presented, kept);
}
