import { randomBytes } from 'node:crypto';
import type { TestApp } from '../support/app.js';
import { attemptSignIn, buildSession, buildUser, CookieJar, PASSWORD, type Person, signIn } from '../support/people.js';
import { fromElsewhere, type SignInFleet, startSignInFleet } from '../support/sign-in-fleet.js';

const SESSION = '__Host-core-nest-session';
const WRONG = 'a wrong password of some length';

let fleet: SignInFleet;
let app: TestApp;
let person: Person;

beforeAll(async () => {
  fleet = await startSignInFleet(1, { BCRYPT_QUEUE: '1000' });
  app = fleet.apps[0];
});
beforeEach(async () => {
  person = await buildUser(app.database);
  fleet.hashes();
});
afterAll(() => fleet?.stop());

const login = (body: string, headers: Record<string, string> = {}) =>
  fetch(`${app.url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...fromElsewhere(), ...headers },
    body,
  });
const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];
const sessionsOf = (userId: string) =>
  app.database.query<{ id: string; kind: string; ended_at: Date | null; end_reason: string | null }>(
    'SELECT id, kind, ended_at, end_reason FROM sessions WHERE user_id = $1 ORDER BY created_at, id',
    [userId],
  );
const whoami = (cookie: string) => fetch(`${app.url}/api/v1/whoami`, { headers: { cookie } });

describe('who may not sign in', () => {
  it('is refused alike to the byte, whatever the reason', async () => {
    const invited = await buildUser(app.database, { status: 'invited', password: null });
    const kinds: [string, { email: string; password: string }][] = [
      ['unknown', { email: `nobody.${person.email}`, password: PASSWORD }],
      ['a wrong password', { ...person, password: WRONG }],
      ['a password that is too short to be one', { ...(await buildUser(app.database)), password: 'x' }],
      ['a password that is too long to be one', { ...(await buildUser(app.database)), password: 'x'.repeat(1_024) }],
      ['half a surrogate pair', { ...(await buildUser(app.database)), password: `${PASSWORD}\ud800` }],
      ['suspended, the right password', await buildUser(app.database, { status: 'suspended' })],
      ['suspended, a wrong one', { ...(await buildUser(app.database, { status: 'suspended' })), password: WRONG }],
      ['not verified, the right password', await buildUser(app.database, { verified: false })],
      ['invited, with a password', await buildUser(app.database, { status: 'invited' })],
      ['invited, without one', { ...invited, password: PASSWORD }],
      ['no address at all', { email: 'not an address', password: PASSWORD }],
      ['an address in odd Unicode', { email: '\u202eada@\ud800.example\u0001', password: PASSWORD }],
    ];
    const answers = new Map<string, string[]>();
    for (const [kind, credentials] of kinds) {
      const headers = { 'x-request-id': 'same', ...fromElsewhere() };
      const response = await attemptSignIn(app, credentials, { headers });
      const { date, 'x-ratelimit-reset': reset, ...others } = Object.fromEntries(response.headers);
      expect([date, reset]).not.toContain(undefined);
      const answer = JSON.stringify([response.status, others, await response.text()]);
      answers.set(answer, [...(answers.get(answer) ?? []), kind]);
      expect(fleet.hashes()).toBe(1);
    }
    expect([...answers.values()]).toEqual([kinds.map(([kind]) => kind)]);
    expect([...answers.keys()][0]).toContain('invalid_login');
    expect([...answers.keys()][0]).not.toContain('set-cookie');
  });

  it('gets no session in any race with being suspended', async () => {
    const people = await Promise.all(Array.from({ length: 200 }, () => buildUser(app.database)));
    const admin = await app.createClient({ scopes: ['admin'] });
    const suspend = async ({ id }: Person) => {
      const response = await fetch(`${app.url}/api/v1/users/${id}`, {
        method: 'PATCH',
        headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
        body: JSON.stringify({ status: 'suspended' }),
      });
      expect([200, 202]).toContain(response.status);
    };
    // Half of them are signing in already when they are suspended, and half are about to.
    const race = async (each: Person, index: number) => {
      const signingIn = () => attemptSignIn(app, each, { headers: fromElsewhere() });
      const [first, second] = await Promise.all(
        index % 2 ? [signingIn(), suspend(each)] : [suspend(each), signingIn()],
      );
      return { response: (first ?? second) as Response };
    };
    const outcomes: { response: Response }[] = [];
    while (outcomes.length < people.length) {
      const batch = people.slice(outcomes.length, outcomes.length + 40);
      outcomes.push(...(await Promise.all(batch.map(race))));
    }
    const statuses = new Set(outcomes.map(({ response }) => response.status));
    expect([...statuses].sort()).toEqual([200, 401]);
    for (const { response } of outcomes) {
      if (response.status !== 200) continue;
      const { access_token } = (await response.json()) as { access_token: string };
      const { status } = await fetch(`${app.url}/api/v1/whoami`, {
        headers: { authorization: `Bearer ${access_token}` },
      });
      expect(status).toBe(401);
    }
    const live = await app.database.query(
      `SELECT 1 FROM sessions JOIN users ON users.id = user_id WHERE ended_at IS NULL AND status = 'suspended'`,
    );
    expect(live).toEqual([]);
  }, 60_000);

  it('includes whoever got another password while theirs was looked at', async () => {
    const { SecretHasher } = await import('../../src/identity/hashing/secret-hasher.service.js');
    const hasher = app.app.get(SecretHasher, { strict: false });
    const matches = hasher.matches;
    hasher.matches = async (...given) => {
      const right = await matches(...given);
      await app.database.query(`UPDATE users SET password_changed_at = now() WHERE id = $1`, [person.id]);
      return right;
    };
    try {
      expect(await codeOf(await attemptSignIn(app, person))).toEqual([401, 'invalid_login']);
    } finally {
      hasher.matches = matches;
    }
    expect(await sessionsOf(person.id)).toEqual([]);
    const [row] = await app.database.query(`SELECT details FROM audit_logs WHERE subject_id = $1`, [person.id]);
    expect(row).toMatchObject({ details: { reason: 'changed_meanwhile' } });
  });
});

describe('fixation', () => {
  it('takes over no session that a request names', async () => {
    const planted = `${person.id}.ses_00000000000000000000.${randomBytes(32).toString('base64url')}`;
    const foreign = await buildSession(app.database, (await buildUser(app.database)).id, { kind: 'cookie' });
    for (const value of [planted, foreign.cookie, 'x', '', `${'a'.repeat(4_000)}`, `"${planted}"`]) {
      const jar = new CookieJar();
      jar.cookies.set(SESSION, value);
      const response = await attemptSignIn(app, person, { mode: 'cookie', jar, headers: fromElsewhere() });
      expect(response.status).toBe(200);
      const now = jar.cookies.get(SESSION) ?? '';
      const parts = now.split('.');
      for (const part of value.split('.').slice(1)) expect(parts).not.toContain(part || 'nothing');
      expect((await whoami(`${SESSION}=${now}`)).status).toBe(200);
      expect((await whoami(`${SESSION}=${planted}`)).status).toBe(401);
    }
  });

  it('gives a new session each time, and ends the one the browser had', async () => {
    const jar = new CookieJar();
    const first = await signIn(app, person, { mode: 'cookie', jar });
    const before = jar.cookies.get(SESSION) ?? '';
    const second = await signIn(app, person, { mode: 'cookie', jar });
    const after = jar.cookies.get(SESSION) ?? '';
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(after.split('.')[2]).not.toBe(before.split('.')[2]);
    expect(second.csrfToken).not.toBe(first.csrfToken);
    expect((await whoami(`${SESSION}=${before}`)).status).toBe(401);
    expect((await whoami(`${SESSION}=${after}`)).status).toBe(200);
    expect(await sessionsOf(person.id)).toMatchObject([
      { id: first.sessionId, end_reason: 'replaced' },
      { id: second.sessionId, ended_at: null },
    ]);
  });

  it('ends the session of whoever sat there before, both ways at once', async () => {
    const other = await buildUser(app.database);
    for (let round = 0; round < 10; round += 1) {
      const mine = new CookieJar();
      const theirs = new CookieJar();
      await signIn(app, person, { mode: 'cookie', jar: mine });
      await signIn(app, other, { mode: 'cookie', jar: theirs });
      const [was, were] = [mine.header, theirs.header];
      await Promise.all([
        signIn(app, other, { mode: 'cookie', jar: mine }),
        signIn(app, person, { mode: 'cookie', jar: theirs }),
      ]);
      expect([(await whoami(was)).status, (await whoami(were)).status]).toEqual([401, 401]);
      expect([(await whoami(mine.header)).status, (await whoami(theirs.header)).status]).toEqual([200, 200]);
    }
  });

  it('ends no session for a wrong secret, nor for a wrong password', async () => {
    const jar = new CookieJar();
    await signIn(app, person, { mode: 'cookie', jar });
    const cookie = jar.cookies.get(SESSION) ?? '';
    const forged = `${cookie.slice(0, cookie.lastIndexOf('.'))}.${randomBytes(32).toString('base64url')}`;
    const other = await buildUser(app.database);
    const options = { mode: 'cookie', headers: { ...fromElsewhere(), cookie: `${SESSION}=${forged}` } } as const;
    expect((await attemptSignIn(app, other, options)).status).toBe(200);
    const wrong = { mode: 'cookie', password: WRONG, headers: { ...fromElsewhere(), cookie: jar.header } } as const;
    expect((await attemptSignIn(app, person, wrong)).status).toBe(401);
    expect((await whoami(jar.header)).status).toBe(200);
  });
});

describe('a page of another site', () => {
  const body = JSON.stringify({ email: 'a@b.c', password: PASSWORD, mode: 'cookie' });

  it.each([
    ['a form', 'application/x-www-form-urlencoded', 'email=a%40b.c&password=x'],
    [
      'a form with files',
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name="email"\r\n\r\na\r\n--x--',
    ],
    ['a form that spells JSON', 'text/plain', body],
    ['a type of its own', 'application/csp-report', body],
    ['JSON beside something', 'application/json, text/plain', body],
    ['JSON in another charset', 'application/json; charset=utf-16', body],
  ])('cannot sign anybody in by %s', async (_, type, content) => {
    const response = await login(content, { 'content-type': type });
    expect(await codeOf(response)).toEqual([415, 'unsupported_media_type']);
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(fleet.hashes()).toBe(0);
  });

  it('cannot send a body without a type either', async () => {
    const response = await fetch(`${app.url}/api/v1/auth/login`, { method: 'POST', body: new Blob([body]) });
    expect(response.status).toBe(415);
  });

  it('is not told by CORS that it may', async () => {
    const response = await fetch(`${app.url}/api/v1/auth/login`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.test', 'access-control-request-method': 'POST' },
    });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('credentials in headers', () => {
  it('are not looked at, be they right, wrong or two', async () => {
    const client = await app.createClient({ scopes: ['admin'] });
    const presented: Record<string, string>[] = [
      { 'x-api-key': client.apiKey },
      { authorization: 'Bearer nonsense' },
      { authorization: 'Basic eDp5', 'x-api-key': 'z' },
      { 'x-provider-token': 'sk-1' },
    ];
    for (const headers of presented) {
      const response = await attemptSignIn(app, person, {
        headers: { ...headers, ...fromElsewhere() },
      });
      expect(response.status).toBe(200);
      const record = app.records.at(-1);
      expect(record).toMatchObject({ clientId: null });
    }
    expect(
      (await attemptSignIn(app, { ...person, password: WRONG }, { headers: { 'x-api-key': client.apiKey } })).status,
    ).toBe(401);
  });
});
