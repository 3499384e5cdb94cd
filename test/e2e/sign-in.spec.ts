import { startApp, type TestApp } from '../support/app.js';
import { attemptSignIn, buildUser, CookieJar, type Person, signIn } from '../support/people.js';

let app: TestApp;
let person: Person;

beforeAll(async () => {
  app = await startApp({ settings: { RATE_LIMITS: 'login=1000000/60,general.paid=1000000/60' } });
});
beforeEach(async () => {
  person = await buildUser(app.database);
});
afterAll(() => app?.stop());

const audited = (userId: string) =>
  app.database.query('SELECT * FROM audit_logs WHERE subject_id = $1 ORDER BY id', [userId]);

describe('POST /api/v1/auth/login', () => {
  it('answers with tokens', async () => {
    const response = await attemptSignIn(app, person);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const body = (await response.json()) as Record<string, unknown>;
    expect(body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 600,
      refresh_token: expect.any(String),
      refresh_expires_in: 1_209_600,
      session_id: expect.stringMatching(/^ses_[0-9A-Za-z]{20}$/),
      user: { id: person.id, email: person.email, name: person.name },
    });
    const me = await fetch(`${app.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${body.access_token}` } });
    expect(await me.json()).toMatchObject({ method: 'jwt', user_id: person.id });
  });

  it('sets the cookie of a session', async () => {
    const jar = new CookieJar();
    const response = await attemptSignIn(app, person, { mode: 'cookie', jar });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      csrf_token: expect.stringMatching(/^[\w-]{43}$/),
      session_id: expect.stringMatching(/^ses_/),
      user: { id: person.id, email: person.email, name: person.name },
    });
    const lines = response.headers.getSetCookie();
    expect(lines).toEqual([
      expect.stringMatching(
        /^__Host-core-nest-device=[^;]+; Path=\/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax$/,
      ),
      expect.stringMatching(/^__Host-core-nest-session=usr_[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax$/),
    ]);
    const whoami = await fetch(`${app.url}/api/v1/whoami`, { headers: { cookie: jar.header } });
    expect(await whoami.json()).toMatchObject({ method: 'session', user_id: person.id });
  });

  it('remembers whom it is asked to', async () => {
    const response = await attemptSignIn(app, person, { mode: 'cookie', remember: true });
    expect(response.headers.getSetCookie()[1]).toContain('; Max-Age=1209600;');
  });

  it('takes the address in any spelling', async () => {
    expect((await attemptSignIn(app, { ...person, email: person.email.toUpperCase() })).status).toBe(200);
  });
});

describe('POST /api/v1/auth/logout', () => {
  it('ends the session of a token', async () => {
    const one = await signIn(app, person);
    const other = await signIn(app, person);
    expect((await one.fetch('/api/v1/auth/logout', { method: 'POST' })).status).toBe(204);
    expect((await one.fetch('/api/v1/whoami')).status).toBe(401);
    expect((await other.fetch('/api/v1/whoami')).status).toBe(200);
    const refreshed = await fetch(`${app.url}/api/v1/auth/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh_token: one.refreshToken }),
    });
    expect(refreshed.status).toBe(401);
    expect(await audited(person.id)).toMatchObject([
      { action: 'user.sign_in' },
      { action: 'user.sign_in' },
      { action: 'user.sign_out', actor_type: 'user', actor_id: person.id, details: { session_id: one.sessionId } },
    ]);
  });

  it('ends the session of a cookie, and has the browser forget it', async () => {
    const one = await signIn(app, person, { mode: 'cookie' });
    const refused = await fetch(`${app.url}/api/v1/auth/logout`, {
      method: 'POST',
      headers: { cookie: one.jar.header },
    });
    expect([refused.status, await refused.json()]).toMatchObject([403, { code: 'csrf_failed' }]);
    const response = await one.fetch('/api/v1/auth/logout', { method: 'POST' });
    expect(response.status).toBe(204);
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringContaining('__Host-core-nest-session=; Path=/; Max-Age=0'),
    ]);
    expect((await one.fetch('/api/v1/whoami')).status).toBe(401);
  });

  it('is for people, and for no key, whoever it belongs to', async () => {
    const owned = await app.createClient({ scopes: ['sessions:delete'] });
    const sql = 'UPDATE clients SET owner_id = $1 WHERE client_id = $2';
    await app.database.query(sql, [(await buildUser(app.database, { roles: ['owner'] })).id, owned.clientId]);
    for (const { apiKey } of [await app.createClient({ scopes: ['admin'] }), owned]) {
      const response = await fetch(`${app.url}/api/v1/auth/logout`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey },
      });
      expect([response.status, await response.json()]).toMatchObject([403, { code: 'user_required' }]);
    }
  });
});
