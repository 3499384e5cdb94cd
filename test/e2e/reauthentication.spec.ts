import { startApp, type TestApp } from '../support/app.js';
import {
  attemptSignIn,
  buildGrant,
  buildUser,
  CookieJar,
  PASSWORD,
  type Person,
  type SignedInPerson,
  signIn,
} from '../support/people.js';

const PATH = '/api/v1/auth/reauthenticate';
const NEXT = 'quiet meadow-87 brass lantern';

let app: TestApp;
let other: TestApp;
let person: Person;

beforeAll(async () => {
  app = await startApp({ settings: { RATE_LIMITS: 'login=1000000/60,general.paid=1000000/60' } });
  other = await app.replica();
});
beforeEach(async () => {
  person = await buildUser(app.database);
});
afterAll(async () => {
  await other?.stop();
  await app?.stop();
});

const reauthenticate = (one: SignedInPerson, password = PASSWORD) =>
  one.fetch(PATH, { method: 'POST', json: { password } });
const changePassword = (one: SignedInPerson) =>
  one.fetch('/api/v1/me/password', { method: 'POST', json: { current_password: PASSWORD, new_password: NEXT } });
const audited = (userId: string) =>
  app.database.query('SELECT * FROM audit_logs WHERE subject_id = $1 ORDER BY id', [userId]);
/** The same browser, with what it was given last. */
const cookieAfter = ({ jar }: SignedInPerson, response: Response) => {
  const after = new CookieJar();
  for (const [name, value] of jar.cookies) after.cookies.set(name, value);
  after.keep(response);
  return after.header;
};
const statusWith = async (cookie: string) => (await fetch(`${app.url}/api/v1/whoami`, { headers: { cookie } })).status;

/** Signed in an hour ago, with a role that counts for a minute after a proof. */
async function anHourAgo(mode: 'token' | 'cookie'): Promise<SignedInPerson> {
  await buildGrant(app.database, person.id, { role: 'viewer', conditions: { max_auth_age_seconds: 60 } });
  const one = await signIn(app, person, { mode });
  const sql = `UPDATE sessions SET authenticated_at = now() - interval '1 hour' WHERE id = $1`;
  await app.database.query(sql, [one.sessionId]);
  return one;
}

describe('POST /api/v1/auth/reauthenticate', () => {
  it('makes what asks for a recent proof hold again, on every replica, with the tokens there are', async () => {
    const one = await anHourAgo('token');
    const mayRead = async (at = app) => (await one.fetch('/api/v1/rate-limits', {}, at)).status;
    expect([await mayRead(), await mayRead(other)]).toEqual([403, 403]);
    const started = Date.now();
    const response = await reauthenticate(one);
    const body = (await response.json()) as { authenticated_at: string };
    expect([response.status, body]).toEqual([
      200,
      { session_id: one.sessionId, authenticated_at: expect.any(String), csrf_token: null },
    ]);
    expect(Math.abs(Date.parse(body.authenticated_at) - started)).toBeLessThan(10_000);
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect([await mayRead(), await mayRead(other)]).toEqual([200, 200]);
    expect(await audited(person.id)).toMatchObject([
      { action: 'user.sign_in' },
      {
        action: 'user.reauthenticate',
        outcome: 'succeeded',
        actor_type: 'user',
        actor_id: person.id,
        details: { session_id: one.sessionId },
      },
    ]);
  });

  it('is told of by the next access token', async () => {
    const one = await anHourAgo('token');
    const { authenticated_at } = (await (await reauthenticate(one)).json()) as { authenticated_at: string };
    const refreshed = await fetch(`${app.url}/api/v1/auth/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh_token: one.refreshToken }),
    });
    const { access_token } = (await refreshed.json()) as { access_token: string };
    const [, payload = ''] = access_token.split('.');
    const { auth_time } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { auth_time: number };
    expect(auth_time).toBe(Math.floor(Date.parse(authenticated_at) / 1000));
  });

  it('gives a session by cookie another cookie and another CSRF token, and leaves its id', async () => {
    const one = await anHourAgo('cookie');
    expect((await one.fetch('/api/v1/rate-limits')).status).toBe(403);
    const response = await reauthenticate(one);
    const body = (await response.json()) as { csrf_token: string };
    expect([response.status, body]).toEqual([
      200,
      {
        session_id: one.sessionId,
        authenticated_at: expect.any(String),
        csrf_token: expect.stringMatching(/^[\w-]{43}$/),
      },
    ]);
    expect(body.csrf_token).not.toBe(one.csrfToken);
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-core-nest-session=usr_[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax$/),
    ]);
    const renewed = cookieAfter(one, response);
    expect([await statusWith(one.jar.header), await statusWith(renewed)]).toEqual([401, 200]);
    const headers = { cookie: renewed };
    expect((await fetch(`${other.url}/api/v1/rate-limits`, { headers })).status).toBe(200);
    const told = await fetch(`${app.url}/api/v1/auth/csrf`, { headers });
    expect(await told.json()).toEqual({ csrf_token: body.csrf_token });
  });

  it('has the browser keep a cookie that outlasts it for the time that is left', async () => {
    const one = await signIn(app, person, { mode: 'cookie', remember: true });
    const sql = `UPDATE sessions SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day'
      WHERE id = $1`;
    await app.database.query(sql, [one.sessionId]);
    const [line = ''] = (await reauthenticate(one)).headers.getSetCookie();
    const kept = Number(/; Max-Age=(\d+);/.exec(line)?.[1]);
    expect(kept).toBeGreaterThan(13 * 86_400 - 60);
    expect(kept).toBeLessThanOrEqual(13 * 86_400);
  });

  it.each(['token', 'cookie'] as const)('changes nothing (%s) when the password is wrong', async (mode) => {
    const one = await anHourAgo(mode);
    const response = await reauthenticate(one, 'not it, and long enough');
    expect([response.status, await response.json()]).toMatchObject([401, { code: 'invalid_login' }]);
    expect(response.headers.getSetCookie()).toEqual([]);
    expect((await one.fetch('/api/v1/whoami')).status).toBe(200);
    expect((await one.fetch('/api/v1/rate-limits')).status).toBe(403);
    expect(await audited(person.id)).toMatchObject([
      { action: 'user.sign_in' },
      {
        action: 'user.sign_in_failed',
        outcome: 'failed',
        actor_type: 'user',
        actor_id: person.id,
        session_id: one.sessionId,
        details: { reason: 'wrong_password', known_device: true },
      },
    ]);
  });

  it('is for people, and for no key, whoever it belongs to', async () => {
    const owned = await app.createClient({ scopes: ['users:write'], ownerId: person.id });
    await buildGrant(app.database, person.id, { role: 'owner' });
    const json = { password: PASSWORD };
    for (const { apiKey } of [await app.createClient({ scopes: ['admin'] }), owned]) {
      const response = await fetch(`${app.url}${PATH}`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
        body: JSON.stringify(json),
      });
      expect([response.status, await response.json()]).toMatchObject([403, { code: 'user_required' }]);
    }
  });

  it.each([
    ['without a password', {}],
    ['with an empty one', { password: '' }],
    ['with one that nobody can have', { password: 'x'.repeat(1_025) }],
    ['with something else', { password: PASSWORD, amr: ['otp'] }],
  ])('refuses a body %s', async (_name, json) => {
    const one = await signIn(app, person);
    const response = await one.fetch(PATH, { method: 'POST', json });
    expect([response.status, await response.json()]).toMatchObject([400, { code: 'invalid_request' }]);
  });
});

describe('POST /api/v1/me/password in a session by cookie', () => {
  it('answers with another cookie and CSRF token; the session goes on', async () => {
    const one = await anHourAgo('cookie');
    const response = await changePassword(one);
    const body = (await response.json()) as { csrf_token: string };
    expect([response.status, body]).toEqual([
      200,
      {
        session_id: one.sessionId,
        authenticated_at: expect.any(String),
        csrf_token: expect.stringMatching(/^[\w-]{43}$/),
      },
    ]);
    const renewed = cookieAfter(one, response);
    expect([await statusWith(one.jar.header), await statusWith(renewed)]).toEqual([401, 200]);
    const headers = { cookie: renewed, 'x-csrf-token': body.csrf_token };
    // It was proved with the password.
    expect((await fetch(`${app.url}/api/v1/rate-limits`, { headers })).status).toBe(200);
    expect((await fetch(`${app.url}/api/v1/auth/logout`, { method: 'POST', headers })).status).toBe(204);
    expect((await attemptSignIn(app, { ...person, password: NEXT })).status).toBe(200);
  });

  it('leaves the cookie as it is when the password is not changed', async () => {
    const one = await signIn(app, person, { mode: 'cookie' });
    for (const json of [
      { current_password: 'not it, and long enough', new_password: NEXT },
      { current_password: PASSWORD, new_password: 'iloveyou1234' },
    ]) {
      const response = await one.fetch('/api/v1/me/password', { method: 'POST', json });
      expect([response.status, response.headers.getSetCookie()]).toEqual([400, []]);
    }
    expect((await one.fetch('/api/v1/whoami')).status).toBe(200);
  });
});

describe('POST /api/v1/me/password in a session of tokens', () => {
  it('counts as a proof, and needs no cookie', async () => {
    const one = await anHourAgo('token');
    const response = await changePassword(one);
    expect([response.status, response.headers.getSetCookie(), await response.text()]).toEqual([204, [], '']);
    expect((await one.fetch('/api/v1/rate-limits')).status).toBe(200);
  });
});
