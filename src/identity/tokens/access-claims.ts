import { isId } from '../../kernel/ids.js';

/** `client_id` of the tokens that people get by signing in: they call with no application of ours. */
export const OWN_CLIENT_ID = 'core-nest';

/** Seconds a token may be ahead of the clock: replicas measure PostgreSQL's to about a round trip. */
const SKEW_SECONDS = 5;
/** Seconds beyond which no token of ours lives, whatever is set. */
const MAX_LIFE_SECONDS = 3_600;
const TOKEN_ID = /^[A-Za-z0-9_-]{22}$/;
const CLIENT_ID = /^cn_(?:live|test)_[0-9A-Za-z]{12}$/;
const EPOCH = /^\d{1,10}\.\d{1,10}$/;
const MAX_NAMES = 128;

/** What an access token says, verified. Whether it was revoked is not among it. */
export interface AccessClaims {
  readonly sub: string;
  readonly subjectKind: 'user' | 'client';
  /** `core-nest` for people, the client's own id for clients. */
  readonly clientId: string;
  /** Of a user's sign-in; null for clients. */
  readonly sessionId: string | null;
  readonly jti: string;
  /** `<epoch of everything>.<epoch of the user or client>`, as of its issue. */
  readonly epoch: string;
  /** Milliseconds since the epoch, as are the others. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** When the person last proved who they are; null for clients. */
  readonly authTime: number | null;
  readonly amr: readonly string[];
  /** What the token was narrowed to; null: it was not. */
  readonly scopes: readonly string[] | null;
}

/** Whom a token must be of and for. */
export interface Expected {
  readonly issuer: string;
  readonly audience: string;
}

/**
 * The claims of a payload whose signature is ours, held to RFC 9068 and RFC 8725: every claim there, of its own type and
 * form, and in time at `now` (milliseconds). Null for anything else: our own key signs nothing else, so that a payload
 * which is merely odd was made by other means.
 */
export function claimsOf(
  payload: Readonly<Record<string, unknown>>,
  { issuer, audience }: Expected,
  now: number,
): AccessClaims | null {
  const { iss, aud, sub, client_id: clientId, jti, cn_epoch: epoch, sid, amr = [], scope } = payload;
  if (iss !== issuer || aud !== audience || typeof sub !== 'string' || typeof clientId !== 'string') return null;
  if (!matches(TOKEN_ID, jti) || !matches(EPOCH, epoch)) return null;
  const times = timesOf(payload, now);
  const scopes = scopesOf(scope);
  if (times === null || scopes === undefined || !areNames(amr)) return null;
  const common = { sub, clientId, jti, epoch, amr, scopes, issuedAt: times.issuedAt, expiresAt: times.expiresAt };
  if (isId('usr', sub)) {
    if (clientId !== OWN_CLIENT_ID || typeof sid !== 'string' || !isId('ses', sid) || times.authTime === null)
      return null;
    return { ...common, subjectKind: 'user', sessionId: sid, authTime: times.authTime };
  }
  if (!CLIENT_ID.test(sub) || clientId !== sub || sid !== undefined || times.authTime !== null) return null;
  return { ...common, subjectKind: 'client', sessionId: null, authTime: null };
}

interface Times {
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly authTime: number | null;
}

/** Whole seconds all of them (NumericDate may have fractions; ours have none). */
function timesOf({ iat, exp, nbf, auth_time: authTime }: Readonly<Record<string, unknown>>, now: number): Times | null {
  const latest = now / 1000 + SKEW_SECONDS;
  if (!isTime(iat) || !isTime(exp) || iat > latest || exp * 1000 <= now) return null;
  if (exp <= iat || exp - iat > MAX_LIFE_SECONDS) return null;
  if (nbf !== undefined && !(isTime(nbf) && nbf <= latest)) return null;
  if (authTime !== undefined && !(isTime(authTime) && authTime <= latest)) return null;
  return { issuedAt: iat * 1000, expiresAt: exp * 1000, authTime: authTime === undefined ? null : authTime * 1000 };
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function matches(pattern: RegExp, value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value);
}

/** Undefined for what is no scope (RFC 6749, 3.3). */
function scopesOf(scope: unknown): readonly string[] | null | undefined {
  if (scope === undefined) return null;
  if (typeof scope !== 'string') return undefined;
  const names = scope === '' ? [] : scope.split(' ');
  return areNames(names) && !names.includes('') ? names : undefined;
}

function areNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= MAX_NAMES && value.every((item) => typeof item === 'string');
}
