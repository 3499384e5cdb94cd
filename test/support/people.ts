import { hash, randomBytes } from 'node:crypto';
import { hashSync } from 'bcryptjs';
import { AccessTokensService } from '../../src/identity/tokens/access-tokens.service.js';
import { emailKeyOf } from '../../src/identity/users/email-address.js';
import { normalizedPassword, preHash } from '../../src/identity/users/password-text.js';
import type { Grant } from '../../src/kernel/grant.js';
import { newId } from '../../src/kernel/ids.js';
import { Secret } from '../../src/kernel/secret.js';
import type { TestApp } from './app.js';
import type { TestDatabase } from './test-database.js';

/** A password that every policy takes. */
export const PASSWORD = 'violet harbour-41 tin kettle';

let last = 0;

/** Somebody straight in PostgreSQL. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly password: string;
}

interface PersonOverrides {
  readonly id?: string;
  readonly email?: string;
  readonly name?: string;
  readonly status?: 'invited' | 'active' | 'suspended';
  /** False: the address was never verified. */
  readonly verified?: boolean;
  /** Null: none was ever set. */
  readonly password?: string | null;
  readonly tier?: string;
  /** Names of roles held everywhere, without conditions. */
  readonly roles?: readonly string[];
  readonly createdAt?: Date;
}

/** A user put straight into PostgreSQL, past the service: active, verified, with `PASSWORD`, and no role unless named. */
export async function buildUser(database: TestDatabase, overrides: PersonOverrides = {}): Promise<Person> {
  last += 1;
  const id = overrides.id ?? newId('usr');
  const email = overrides.email ?? `person.${last}.${randomBytes(4).toString('hex')}@example.test`;
  const name = overrides.name ?? `Person ${last}`;
  const password = overrides.password === undefined ? PASSWORD : overrides.password;
  await database.query(
    `INSERT INTO users (id, email, email_key, name, status, email_verified_at, password_hash, password_changed_at, tier,
       created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $7::text IS NULL THEN NULL ELSE now() END, $8, coalesce($9, now()))`,
    [
      id,
      email,
      emailKeyOf(email),
      name,
      overrides.status ?? 'active',
      overrides.verified === false ? null : new Date(),
      password === null ? null : storedHash(password),
      overrides.tier ?? 'paid',
      overrides.createdAt ?? null,
    ],
  );
  for (const role of overrides.roles ?? []) await buildGrant(database, id, { role });
  return { id, email, name, password: password ?? '' };
}

interface GrantOverrides extends Partial<Pick<Grant, 'effect' | 'scope' | 'conditions'>> {
  /** By name. */
  readonly role: string;
  readonly expiresAt?: Date | null;
}

/** A grant put straight into PostgreSQL: its id. */
export async function buildGrant(database: TestDatabase, userId: string, overrides: GrantOverrides): Promise<string> {
  const id = newId('grt');
  const scope = overrides.scope ?? { type: 'all' };
  const made = await database.query(
    `INSERT INTO grants (id, user_id, role_id, effect, scope_type, scope_resource, scope_id, conditions, expires_at)
     SELECT $1, $2, roles.id, $4, $5, $6, $7, $8, $9 FROM roles WHERE roles.name = $3 RETURNING id`,
    [
      id,
      userId,
      overrides.role,
      overrides.effect ?? 'allow',
      scope.type,
      scope.type === 'resource' ? scope.resource : null,
      scope.type === 'all' ? null : scope.id,
      overrides.conditions ? JSON.stringify(overrides.conditions) : null,
      overrides.expiresAt ?? null,
    ],
  );
  if (made.length === 0) throw new Error(`There is no role ${overrides.role}.`);
  return id;
}

/** A session straight in PostgreSQL; with `kind: 'cookie'` the cookie that is its key. */
export interface BuiltSession {
  readonly id: string;
  readonly userId: string;
  /** The value of the cookie; empty for a token's session. */
  readonly cookie: string;
}

interface SessionOverrides {
  readonly kind?: 'token' | 'cookie';
  readonly mfa?: boolean;
  readonly authenticatedAt?: Date;
  readonly lastSeenAt?: Date;
  readonly createdAt?: Date;
  readonly idleSeconds?: number;
  readonly expiresAt?: Date;
  readonly deviceId?: string | null;
  readonly address?: string | null;
  readonly country?: string | null;
}

/** A session put straight into PostgreSQL, past the service. */
export async function buildSession(
  database: TestDatabase,
  userId: string,
  overrides: SessionOverrides = {},
): Promise<BuiltSession> {
  const id = newId('ses');
  const kind = overrides.kind ?? 'token';
  const secret = randomBytes(32).toString('base64url');
  await database.query(
    `INSERT INTO sessions (id, user_id, kind, secret_hash, method, amr, mfa, authenticated_at, device_id, address, country,
       created_at, last_seen_at, idle_seconds, expires_at)
     VALUES ($1, $2, $3, $4, 'password', '{pwd}', $5, coalesce($6, now()), $7, $8, $9, coalesce($10, now()),
       coalesce($11, now()), $12, coalesce($13, now() + interval '12 hours'))`,
    [
      id,
      userId,
      kind,
      kind === 'cookie' ? hash('sha256', secret, 'base64url') : null,
      overrides.mfa ?? false,
      overrides.authenticatedAt ?? null,
      overrides.deviceId ?? null,
      overrides.address ?? null,
      overrides.country ?? null,
      overrides.createdAt ?? null,
      overrides.lastSeenAt ?? null,
      overrides.idleSeconds ?? 1_800,
      overrides.expiresAt ?? null,
    ],
  );
  return { id, userId, cookie: kind === 'cookie' ? `${userId}.${id}.${secret}` : '' };
}

/** An access token of a session, signed by the application itself without any sign-in. */
export async function accessTokenOf(
  app: TestApp,
  session: Pick<BuiltSession, 'id' | 'userId'>,
  scopes?: readonly string[],
): Promise<string> {
  const [facts] = await app.database.query<{ epoch: string; auth_time: Date; amr: string[] }>(
    `SELECT (SELECT epoch FROM token_epochs WHERE name = 'all') || '.' || users.token_epoch AS epoch,
            sessions.authenticated_at AS auth_time, sessions.amr
     FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1`,
    [session.id],
  );
  if (facts === undefined) throw new Error('There is no such session.');
  const { token } = app.app.get(AccessTokensService, { strict: false }).sign({
    sub: session.userId,
    clientId: 'core-nest',
    epoch: facts.epoch,
    expiresAt: Date.now() + 600_000,
    sessionId: session.id,
    authTime: facts.auth_time.getTime(),
    amr: facts.amr,
    ...(scopes && { scopes }),
  });
  return token.reveal();
}

interface SignInOptions {
  readonly password?: string;
  readonly mode?: 'token' | 'cookie';
  readonly remember?: boolean;
  /** A cookie jar to sign in with, and to keep what is set in. */
  readonly jar?: CookieJar;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The cookies of one browser. */
export class CookieJar {
  readonly cookies = new Map<string, string>();

  /** Takes over what a response sets. */
  keep(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }

  /** The `Cookie` header. */
  get header(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}

/** `POST /api/v1/auth/login`, whatever comes of it. */
export async function attemptSignIn(
  app: Pick<TestApp, 'url'>,
  person: Pick<Person, 'email' | 'password'>,
  options: SignInOptions = {},
): Promise<Response> {
  const { jar, mode, remember, password = person.password, headers } = options;
  const response = await fetch(`${app.url}/api/v1/auth/login`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(jar && jar.cookies.size > 0 && { cookie: jar.header }),
      ...headers,
    },
    body: JSON.stringify({ email: person.email, password, mode, remember_me: remember }),
    ...(options.signal && { signal: options.signal }),
  });
  jar?.keep(response);
  return response;
}

/** Somebody who is signed in. */
export interface SignedInPerson extends Person {
  readonly sessionId: string;
  /** Empty in mode `cookie`. */
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly jar: CookieJar;
  /** Empty in mode `token`. */
  readonly csrfToken: string;
  /** A request of theirs; with a cookie, its CSRF token is sent along. An object as `json` becomes the body. */
  fetch(path: string, init?: RequestInit & { readonly json?: unknown }, app?: Pick<TestApp, 'url'>): Promise<Response>;
}

/** Signs in over HTTP, as anybody does. */
export async function signIn(
  app: Pick<TestApp, 'url'>,
  person: Person,
  options: SignInOptions = {},
): Promise<SignedInPerson> {
  const jar = options.jar ?? new CookieJar();
  const response = await attemptSignIn(app, person, { ...options, jar });
  const body = (await response.json()) as Record<string, string | undefined>;
  if (response.status !== 200) throw new Error(`Signing in was answered ${response.status} ${body.code}.`);
  const { access_token: accessToken = '', refresh_token: refreshToken = '', csrf_token: csrfToken = '' } = body;
  return {
    ...person,
    sessionId: body.session_id ?? '',
    accessToken,
    refreshToken,
    csrfToken,
    jar,
    fetch: (path, { json, ...init } = {}, at = app) => {
      const headers = new Headers(init.headers);
      if (accessToken !== '') headers.set('authorization', `Bearer ${accessToken}`);
      else headers.set('cookie', jar.header);
      if (csrfToken !== '') headers.set('x-csrf-token', csrfToken);
      if (json !== undefined) headers.set('content-type', 'application/json');
      return fetch(`${at.url}${path}`, { ...init, headers, ...(json !== undefined && { body: JSON.stringify(json) }) });
    },
  };
}

/** What is kept of a password, at the lowest cost. */
function storedHash(password: string): string {
  const normalized = normalizedPassword(new Secret(password));
  if (normalized === null) throw new Error('This can be no password.');
  return hashSync(preHash(normalized).reveal(), 4);
}
