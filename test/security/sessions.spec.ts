import { randomBytes } from 'node:crypto';
import { PrincipalChanges } from '../../src/identity/principals/principal-changes.service.js';
import { csrfTokenOf } from '../../src/identity/sessions/csrf.js';
import { SESSION_COOKIE } from '../../src/identity/sessions/session-cookie.js';
import { SessionUses } from '../../src/identity/sessions/session-uses.js';
import { SessionsService } from '../../src/identity/sessions/sessions.service.js';
import { newId } from '../../src/kernel/ids.js';
import { Secret } from '../../src/kernel/secret.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import type { TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import { attemptSignIn, buildUser, CookieJar, type Person, type SignedInPerson, signIn } from '../support/people.js';

let fleet: Fleet;
let here: TestApp;
let there: TestApp;
let person: Person;

beforeAll(async () => {
  fleet = await startFleet({ settings: { RATE_LIMITS: 'login=1000000/60,general.paid=1000000/60' } });
  [here, there] = fleet.members;
});
beforeEach(async () => {
  person = await buildUser(fleet.database);
});
afterAll(() => fleet?.stop());

const secretOf = ({ jar }: SignedInPerson) => jar.cookies.get(SESSION_COOKIE)?.split('.')[2] ?? '';
const cookieOf = (userId: string, sessionId: string, secret: string) =>
  `${SESSION_COOKIE}=${userId}.${sessionId}.${secret}`;
const whoami = async (cookie: string, app = here) => {
  const response = await fetch(`${app.url}/api/v1/whoami`, { headers: { cookie } });
  const body = (await response.json()) as Record<string, unknown>;
  return [response.status, body.code ?? body.method];
};
const seesIt = async (cookie: string) => Promise.all(fleet.members.map(async (app) => (await whoami(cookie, app))[0]));

describe('a cookie', () => {
  it('is good on every replica', async () => {
    const { jar } = await signIn(here, person, { mode: 'cookie' });
    expect(await seesIt(jar.header)).toEqual([200, 200, 200]);
  });

  it('is refused when any part of it is another', async () => {
    const [one, two] = [await signIn(here, person, { mode: 'cookie' }), await signIn(here, person, { mode: 'cookie' })];
    const stranger = await signIn(here, await buildUser(fleet.database), { mode: 'cookie' });
    const token = await signIn(here, person);
    const other = randomBytes(32).toString('base64url');
    for (const cookie of [
      cookieOf(person.id, one.sessionId, other),
      cookieOf(person.id, one.sessionId, secretOf(two)),
      cookieOf(person.id, newId('ses'), secretOf(one)),
      cookieOf(person.id, stranger.sessionId, secretOf(stranger)),
      cookieOf(stranger.id, one.sessionId, secretOf(one)),
      cookieOf(newId('usr'), one.sessionId, secretOf(one)),
      cookieOf(person.id, token.sessionId, other),
      `${SESSION_COOKIE}=`,
      `${SESSION_COOKIE}=${'A'.repeat(8_000)}`,
    ])
      expect(await whoami(cookie)).toEqual([401, 'invalid_session']);
  });

  it('that is sent twice, or beside another credential, is ambiguous', async () => {
    const { jar } = await signIn(here, person, { mode: 'cookie' });
    const { accessToken } = await signIn(here, person);
    const { apiKey } = await here.createClient();
    expect(await whoami(`${jar.header}; ${jar.header}`)).toEqual([400, 'ambiguous_credentials']);
    for (const headers of [{ authorization: `Bearer ${accessToken}` }, { 'x-api-key': apiKey }]) {
      const response = await fetch(`${here.url}/api/v1/whoami`, { headers: { cookie: jar.header, ...headers } });
      expect([response.status, await response.json()]).toMatchObject([400, { code: 'ambiguous_credentials' }]);
    }
  });

  it('that an attacker planted is not the one a sign-in gives: no fixation', async () => {
    const attacker = await signIn(here, await buildUser(fleet.database), { mode: 'cookie' });
    const planted = cookieOf(person.id, newId('ses'), randomBytes(32).toString('base64url'));
    for (const cookie of [attacker.jar.header, planted]) {
      const jar = new CookieJar();
      const victim = await signIn(here, person, { mode: 'cookie', jar, headers: { cookie } });
      expect(victim.sessionId).not.toBe(attacker.sessionId);
      expect(cookie).not.toContain(secretOf(victim));
      expect(await whoami(jar.header)).toEqual([200, 'session']);
    }
    expect(await whoami(planted)).toEqual([401, 'invalid_session']);
    // The session that the browser held before has ended: it is nobody's way into this one, nor back into that.
    expect(await whoami(attacker.jar.header)).toEqual([401, 'invalid_session']);
  });

  it('has another value at each sign-in, and the one before ends with it', async () => {
    const jar = new CookieJar();
    const seen: string[] = [];
    for (let number = 0; number < 3; number++) {
      const signedIn = await signIn(here, person, { mode: 'cookie', jar });
      seen.push(`${SESSION_COOKIE}=${jar.cookies.get(SESSION_COOKIE)}`);
      expect(signedIn.sessionId).toMatch(/^ses_/);
    }
    expect(new Set(seen).size).toBe(3);
    expect(await Promise.all(seen.map(async (cookie) => (await whoami(cookie))[0]))).toEqual([401, 401, 200]);
  });

  it('is refused everywhere at once when its secret was rotated; the new one is good', async () => {
    const signedIn = await signIn(here, person, { mode: 'cookie' });
    const old = cookieOf(person.id, signedIn.sessionId, secretOf(signedIn));
    expect(await seesIt(old)).toEqual([200, 200, 200]);
    const [sessions, changes] = [SessionsService, PrincipalChanges].map((type) =>
      here.app.get(type as never, { strict: false }),
    );
    const rotate = async () => {
      const { secret, change } = await here.app.get(Transactions, { strict: false }).run(async (transaction) => ({
        ...(await (sessions as SessionsService).rotateSecret(
          { userId: person.id, sessionId: signedIn.sessionId, secret: new Secret(secretOf(signedIn)) },
          { amr: ['pwd', 'otp'], mfa: true },
          transaction,
        )),
        change: await (changes as PrincipalChanges).changed(person.id, transaction),
      }));
      expect(await (changes as PrincipalChanges).follow(change)).toEqual({ propagation: 'complete' });
      return secret.reveal();
    };
    const renewed = cookieOf(person.id, signedIn.sessionId, await rotate());
    expect(await seesIt(old)).toEqual([401, 401, 401]);
    expect(await seesIt(renewed)).toEqual([200, 200, 200]);
    // The token for pages went with the secret.
    const response = await fetch(`${here.url}/api/v1/sessions?except=current`, {
      method: 'DELETE',
      headers: { cookie: renewed, 'x-csrf-token': signedIn.csrfToken },
    });
    expect([response.status, await response.json()]).toMatchObject([403, { code: 'csrf_failed' }]);
  });

  it('is refused after the end of its session, with Redis flushed, and with an older copy of Redis brought back', async () => {
    const { jar, sessionId, ...one } = await signIn(here, person, { mode: 'cookie' });
    expect(await seesIt(jar.header)).toEqual([200, 200, 200]);
    const before = await dump();
    expect((await one.fetch(`/api/v1/sessions/${sessionId}`, { method: 'DELETE' })).status).toBe(204);
    expect(await seesIt(jar.header)).toEqual([401, 401, 401]);
    await fleet.redis.client.flushdb();
    expect(await seesIt(jar.header)).toEqual([401, 401, 401]);
    await restore(before);
    expect(await seesIt(jar.header)).toEqual([401, 401, 401]);
  });

  it('is good while Redis is away, and ends then', async () => {
    const [kept, ended] = [
      await signIn(here, person, { mode: 'cookie' }),
      await signIn(here, person, { mode: 'cookie' }),
    ];
    await Promise.all(fleet.members.map(({ toRedis }) => toRedis.refuse()));
    try {
      expect(await seesIt(kept.jar.header)).toEqual([200, 200, 200]);
      const response = await kept.fetch(`/api/v1/sessions/${ended.sessionId}`, { method: 'DELETE' }, there);
      expect([202, 204]).toContain(response.status);
      await eventually(async () => (await seesIt(ended.jar.header)).every((status) => status === 401));
      const late = await signIn(there, person, { mode: 'cookie' });
      expect(await seesIt(late.jar.header)).toEqual([200, 200, 200]);
    } finally {
      await Promise.all(fleet.members.map(({ toRedis }) => toRedis.heal()));
    }
    await eventually(async () => (await seesIt(kept.jar.header)).every((status) => status === 200));
    expect(await seesIt(ended.jar.header)).toEqual([401, 401, 401]);
  });

  it('is good where it is remembered while PostgreSQL is away, 503 elsewhere, and cannot be ended unseen', async () => {
    const one = await signIn(here, person, { mode: 'cookie' });
    expect(await whoami(one.jar.header)).toEqual([200, 'session']);
    await Promise.all(fleet.members.map(({ toPostgres }) => toPostgres.refuse()));
    try {
      expect(await whoami(one.jar.header)).toEqual([200, 'session']);
      expect((await whoami(one.jar.header, there))[0]).toBe(503);
      const response = await one.fetch(`/api/v1/sessions/${one.sessionId}`, { method: 'DELETE' });
      expect([response.status, response.headers.getSetCookie()]).toEqual([503, []]);
      expect((await attemptSignIn(here, person, { mode: 'cookie' })).status).toBe(503);
    } finally {
      await Promise.all(fleet.members.map(({ toPostgres }) => toPostgres.heal()));
    }
    await eventually(async () => (await seesIt(one.jar.header)).every((status) => status === 200));
  });

  it('that was not used in its time is refused, and one that was, on another replica, is not', async () => {
    const [idle, used] = [
      await signIn(here, person, { mode: 'cookie' }),
      await signIn(here, person, { mode: 'cookie' }),
    ];
    expect(await seesIt(idle.jar.header)).toEqual([200, 200, 200]);
    expect(await seesIt(used.jar.header)).toEqual([200, 200, 200]);
    const clocks = fleet.members.map(({ app }) => app.get(DatabaseClock, { strict: false }));
    const later = (minutes: number) => {
      const now = Date.now() + minutes * 60_000;
      for (const clock of clocks) jest.spyOn(clock, 'now').mockReturnValue(now);
    };
    later(20);
    expect((await whoami(used.jar.header, there))[0]).toBe(200);
    await there.app.get(SessionUses, { strict: false }).flush();
    later(35);
    expect(await seesIt(idle.jar.header)).toEqual([401, 401, 401]);
    expect(await seesIt(used.jar.header)).toEqual([200, 200, 200]);
    jest.restoreAllMocks();
  });

  it('of a remembered session ends 14 days after the sign-in, however much it is used', async () => {
    const { jar, sessionId } = await signIn(here, person, { mode: 'cookie', remember: true });
    const [row] = await fleet.database.query<{ seconds: number }>(
      'SELECT extract(epoch FROM expires_at - created_at)::int AS seconds FROM sessions WHERE id = $1',
      [sessionId],
    );
    expect(row?.seconds).toBe(14 * 86_400);
    await fleet.database.query(`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1`, [
      sessionId,
    ]);
    await eventually(async () => (await seesIt(jar.header)).every((status) => status === 401));
  });
});

describe('another site', () => {
  /** What changes something, and what it takes. */
  const UNSAFE = [
    ['DELETE', '/api/v1/sessions?except=current'],
    ['POST', '/api/v1/auth/logout'],
    ['POST', '/api/v1/clients'],
    ['PATCH', '/api/v1/clients/cn_live_000000000000'],
    ['PUT', '/api/v1/rate-limits/policies/general'],
    ['POST', '/v1/chat/completions'],
  ] as const;

  let victim: SignedInPerson;
  let other: SignedInPerson;
  beforeEach(async () => {
    victim = await signIn(here, person, { mode: 'cookie' });
    other = await signIn(here, person, { mode: 'cookie' });
  });

  const send = async (method: string, path: string, headers: Record<string, string>) => {
    const response = await fetch(`${here.url}${path}`, { method, headers: { cookie: victim.jar.header, ...headers } });
    const text = await response.text();
    return { status: response.status, isCsrf: response.status === 403 && text.includes('csrf_failed') };
  };

  it.each(UNSAFE)('cannot %s %s with the cookie alone', async (method, path) => {
    const right = victim.csrfToken;
    const wrong: Record<string, string>[] = [
      {},
      { 'x-csrf-token': '' },
      { 'x-csrf-token': other.csrfToken },
      { 'x-csrf-token': csrfTokenOf(new Secret('guess')) },
      { 'x-csrf-token': right.slice(0, -1) },
      { 'x-csrf-token': `${right}, ${right}` },
      { 'x-csrf-token': right, origin: 'https://evil.example' },
      { 'x-csrf-token': right, origin: 'null' },
      { 'x-csrf-token': right, 'sec-fetch-site': 'cross-site' },
      { 'x-csrf-token': right, 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of wrong) expect(await send(method, path, headers)).toEqual({ status: 403, isCsrf: true });
    expect(await whoami(victim.jar.header)).toEqual([200, 'session']);
    const own = { 'x-csrf-token': right, origin: here.url, 'sec-fetch-site': 'same-origin' };
    expect((await send(method, path, own)).isCsrf).toBe(false);
  });

  it('may have a page read, whose answer it cannot see', async () => {
    expect((await send('GET', '/api/v1/sessions', { origin: 'https://evil.example' })).status).toBe(200);
    const response = await fetch(`${here.url}/api/v1/auth/csrf`, {
      headers: { cookie: victim.jar.header, origin: 'https://evil.example' },
    });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('gets no token that is good: it is of the session that asks', async () => {
    const tokenOf = async (headers: Record<string, string>) =>
      ((await (await fetch(`${there.url}/api/v1/auth/csrf`, { headers })).json()) as { csrf_token: string }).csrf_token;
    expect(await tokenOf({ cookie: victim.jar.header })).toBe(victim.csrfToken);
    expect(await tokenOf({ cookie: other.jar.header })).not.toBe(victim.csrfToken);
    const { accessToken } = await signIn(here, person);
    expect(await tokenOf({ authorization: `Bearer ${accessToken}` })).toBeNull();
  });

  it('is told of a session that is none as such, whatever token it brings', async () => {
    const response = await fetch(`${here.url}/api/v1/sessions`, {
      method: 'DELETE',
      headers: { cookie: cookieOf(person.id, newId('ses'), secretOf(victim)), 'x-csrf-token': victim.csrfToken },
    });
    expect([response.status, await response.json()]).toMatchObject([401, { code: 'invalid_session' }]);
  });

  it('asks nothing of those who come without a cookie', async () => {
    const token = await signIn(here, person);
    const response = await token.fetch('/api/v1/sessions?except=current', {
      method: 'DELETE',
      headers: { origin: 'https://app.example' },
    });
    expect([202, 204]).toContain(response.status);
  });
});

async function dump(): Promise<Map<string, Buffer>> {
  const { client } = fleet.redis;
  const found = new Map<string, Buffer>();
  for (const key of await client.keys('*')) {
    const value = await client.dumpBuffer(key);
    if (value !== null) found.set(key, value);
  }
  return found;
}

async function restore(found: ReadonlyMap<string, Buffer>): Promise<void> {
  await fleet.redis.client.flushdb();
  for (const [key, value] of found) await fleet.redis.client.restore(key, 0, value);
}
