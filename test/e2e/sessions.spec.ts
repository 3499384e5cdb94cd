import { SessionDays } from '../../src/identity/sessions/analytics/session-days.js';
import { SessionUses } from '../../src/identity/sessions/session-uses.js';
import { newId } from '../../src/kernel/ids.js';
import { startApp, type TestApp } from '../support/app.js';
import { insertClient } from '../support/insert-client.js';
import { buildUser, PASSWORD, type Person, type SignedInPerson, signIn } from '../support/people.js';
import { ADDRESSES } from '../support/session-life.js';

interface Listed {
  readonly id: string;
  readonly current: boolean;
  readonly [field: string]: unknown;
}

let app: TestApp;
let person: Person;
let administrator: SignedInPerson;

beforeAll(async () => {
  app = await startApp({
    settings: { RATE_LIMITS: 'login=1000000/60,general.paid=1000000/60', TRUSTED_PROXIES: '127.0.0.1' },
  });
  administrator = await signIn(app, await buildUser(app.database, { roles: ['owner'] }));
});
beforeEach(async () => {
  person = await buildUser(app.database);
});
afterAll(() => app?.stop());

const from = (address: string, userAgent = 'curl/8.5.0') => ({ 'x-forwarded-for': address, 'user-agent': userAgent });
const listOf = async (caller: SignedInPerson, path = '/api/v1/sessions') => {
  const response = await caller.fetch(path);
  expect(response.status).toBe(200);
  return ((await response.json()) as { data: Listed[] }).data;
};
const problemOf = async (response: Response) => {
  const { status, code, detail } = (await response.json()) as Record<string, unknown>;
  return { status, code, detail };
};
const isIn = async (caller: SignedInPerson) => (await caller.fetch('/api/v1/whoami')).status === 200;
const remove = (caller: SignedInPerson, path: string, init: RequestInit = {}) =>
  caller.fetch(path, { method: 'DELETE', ...init });

describe('GET /api/v1/sessions', () => {
  it('shows where and on what one is signed in, and which session asks', async () => {
    const token = await signIn(app, person, { headers: from(ADDRESSES.DE) });
    const cookie = await signIn(app, person, {
      mode: 'cookie',
      headers: from(ADDRESSES.FR, 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'),
    });
    await signIn(app, await buildUser(app.database));
    const listed = await listOf(cookie);
    expect(listed).toEqual([
      {
        id: cookie.sessionId,
        user_id: person.id,
        current: true,
        status: 'active',
        kind: 'cookie',
        method: 'password',
        amr: ['pwd'],
        mfa: false,
        device: 'Firefox 140 on Linux',
        address: ADDRESSES.FR,
        country: 'FR',
        last_address: ADDRESSES.FR,
        last_country: 'FR',
        created_at: expect.any(String),
        last_seen_at: expect.any(String),
        authenticated_at: expect.any(String),
        idle_expires_at: expect.any(String),
        expires_at: expect.any(String),
        ended_at: null,
        end_reason: null,
      },
      expect.objectContaining({ id: token.sessionId, current: false, kind: 'token', device: 'curl 8', country: 'DE' }),
    ]);
    expect((await listOf(token)).map(({ current }) => current)).toEqual([false, true]);
    const [first] = listed;
    const seconds = (end: unknown) => (Date.parse(String(end)) - Date.parse(String(first?.created_at))) / 1_000;
    expect([seconds(first?.idle_expires_at), seconds(first?.expires_at)]).toEqual([1_800, 43_200]);
    expect(JSON.stringify(listed)).not.toMatch(/secret|hash/);
  });

  it('shows where one was last used from', async () => {
    const one = await signIn(app, person, { headers: from(ADDRESSES.DE) });
    await one.fetch('/api/v1/whoami', { headers: from(ADDRESSES.JP) });
    await app.app.get(SessionUses, { strict: false }).flush();
    expect(await listOf(one)).toMatchObject([
      { address: ADDRESSES.DE, country: 'DE', last_address: ADDRESSES.JP, last_country: 'JP' },
    ]);
    expect(
      await app.database.query(`SELECT details FROM audit_logs WHERE subject_id = $1 AND action = $2`, [
        one.sessionId,
        'session.concurrent_countries',
      ]),
    ).toEqual([{ details: { user_id: person.id, country: 'JP', other_countries: ['DE'] } }]);
  });

  it('is of the owner for a key that acts for them', async () => {
    const { sessionId } = await signIn(app, person);
    const { apiKey } = await insertClient(app.database, { scopes: ['sessions:read'], ownerId: person.id });
    const response = await fetch(`${app.url}/api/v1/sessions`, { headers: { 'x-api-key': apiKey } });
    expect(await response.json()).toMatchObject({ data: [{ id: sessionId, current: false }] });
  });

  it('refuses what it does not know', async () => {
    const one = await signIn(app, person);
    for (const query of ['user_id=x', 'sort=device', 'status=all', 'limit=0', 'cursor=x'])
      expect(await problemOf(await one.fetch(`/api/v1/sessions?${query}`))).toMatchObject({ code: 'invalid_request' });
  });
});

describe('DELETE /api/v1/sessions', () => {
  it('/:session_id ends one, and no other', async () => {
    const [one, other] = [await signIn(app, person), await signIn(app, person, { mode: 'cookie' })];
    expect((await remove(one, `/api/v1/sessions/${other.sessionId}`)).status).toBe(204);
    expect([await isIn(one), await isIn(other)]).toEqual([true, false]);
    expect((await remove(one, `/api/v1/sessions/${other.sessionId}`)).status).toBe(204);
    const ended = await listOf(one, '/api/v1/sessions?status=ended');
    expect(ended).toMatchObject([{ id: other.sessionId, status: 'ended', end_reason: 'ended' }]);
    expect(
      await app.database.query('SELECT action, actor_id, session_id FROM audit_logs WHERE subject_id = $1', [
        other.sessionId,
      ]),
    ).toEqual(expect.arrayContaining([{ action: 'session.end', actor_id: person.id, session_id: one.sessionId }]));
  });

  it('/:session_id of the one that asks has the browser forget its cookie', async () => {
    const one = await signIn(app, person, { mode: 'cookie' });
    const response = await remove(one, `/api/v1/sessions/${one.sessionId}`);
    expect(response.status).toBe(204);
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-core-nest-session=; .*Max-Age=0;/),
    ]);
    expect(await problemOf(await one.fetch('/api/v1/whoami'))).toMatchObject({ code: 'invalid_session' });
  });

  it("/:session_id of somebody else's, or of none, is 404 alike", async () => {
    const [one, stranger] = [await signIn(app, person), await signIn(app, await buildUser(app.database))];
    for (const id of [stranger.sessionId, newId('ses'), 'nothing', '%00'])
      expect(await problemOf(await remove(one, `/api/v1/sessions/${id}`))).toEqual({
        status: 404,
        code: 'not_found',
        detail: 'There is no session with this id.',
      });
    expect(await isIn(stranger)).toBe(true);
  });

  it('?except=current ends all others', async () => {
    const [one, two, three] = [
      await signIn(app, person),
      await signIn(app, person),
      await signIn(app, person, { mode: 'cookie' }),
    ];
    const response = await remove(three, '/api/v1/sessions?except=current');
    expect([response.status, response.headers.getSetCookie()]).toEqual([204, []]);
    expect([await isIn(one), await isIn(two), await isIn(three)]).toEqual([false, false, true]);
  });

  it('ends all of them', async () => {
    const [one, two] = [await signIn(app, person), await signIn(app, person, { mode: 'cookie' })];
    const stranger = await signIn(app, await buildUser(app.database));
    const response = await remove(two, '/api/v1/sessions');
    expect([response.status, response.headers.getSetCookie().length]).toEqual([204, 1]);
    expect([await isIn(one), await isIn(two), await isIn(stranger)]).toEqual([false, false, true]);
  });

  it('refuses what it does not know, and ends nothing then', async () => {
    const one = await signIn(app, person);
    for (const [query, message] of [
      ['except=all', 'query.except: must be current'],
      ['except=current&except=current', 'query.except: must be current'],
      ['excpet=current', 'query.excpet: is not a parameter of this route'],
    ] as const)
      expect(await problemOf(await remove(one, `/api/v1/sessions?${query}`))).toMatchObject({ detail: message });
    expect(await isIn(one)).toBe(true);
  });
});

describe('/api/v1/users/:user_id/sessions', () => {
  it('shows and ends the sessions of others to those who may', async () => {
    const [one, two] = [await signIn(app, person), await signIn(app, person)];
    const path = `/api/v1/users/${person.id}/sessions`;
    expect((await listOf(administrator, path)).map(({ id }) => id)).toEqual([two.sessionId, one.sessionId]);
    expect((await remove(administrator, `${path}/${one.sessionId}`)).status).toBe(204);
    expect([await isIn(one), await isIn(two)]).toEqual([false, true]);
    expect((await remove(administrator, path)).status).toBe(204);
    expect(await isIn(two)).toBe(false);
    const ended = await listOf(administrator, `${path}?status=ended`);
    expect(ended.map(({ end_reason }) => end_reason)).toEqual(['ended_by_administrator', 'ended_by_administrator']);
  });

  it('is 404 for a user who is not there, and for a session that is not theirs', async () => {
    const one = await signIn(app, person);
    const { id } = await buildUser(app.database);
    for (const [method, path] of [
      ['GET', `${newId('usr')}/sessions`],
      ['GET', 'nobody/sessions'],
      ['DELETE', `${newId('usr')}/sessions`],
      ['DELETE', `${newId('usr')}/sessions/${one.sessionId}`],
      ['DELETE', `${id}/sessions/${one.sessionId}`],
      ['DELETE', `${id}/sessions/nothing`],
    ] as const) {
      const response = await administrator.fetch(`/api/v1/users/${path}`, { method });
      expect(await problemOf(response)).toMatchObject({ status: 404, code: 'not_found' });
    }
    expect(await isIn(one)).toBe(true);
  });

  it('is refused to those who may not', async () => {
    const [one, stranger] = [await signIn(app, person), await signIn(app, await buildUser(app.database))];
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['DELETE', `/${one.sessionId}`],
    ] as const) {
      const response = await stranger.fetch(`/api/v1/users/${person.id}/sessions${path}`, { method });
      expect([403, 404]).toContain(response.status);
    }
    expect(await isIn(one)).toBe(true);
  });
});

describe('what ends sessions', () => {
  it('is a new password, but for the session in which it was given', async () => {
    const [one, two] = [await signIn(app, person), await signIn(app, person, { mode: 'cookie' })];
    const json = { current_password: PASSWORD, new_password: 'quiet meadow-87 brass lantern' };
    const changed = await two.fetch('/api/v1/me/password', { method: 'POST', json });
    expect(changed.status).toBe(200);
    two.jar.keep(changed);
    expect([await isIn(one), await isIn(two)]).toEqual([false, true]);
  });

  it('is suspension, at once', async () => {
    const [one, two] = [await signIn(app, person), await signIn(app, person, { mode: 'cookie' })];
    const patch = (status: string) =>
      administrator.fetch(`/api/v1/users/${person.id}`, { method: 'PATCH', json: { status } });
    expect((await patch('suspended')).status).toBe(200);
    expect([await isIn(one), await isIn(two)]).toEqual([false, false]);
    expect((await patch('active')).status).toBe(200);
    expect([await isIn(one), await isIn(two)]).toEqual([false, false]);
  });

  it('is removal', async () => {
    const one = await signIn(app, person, { mode: 'cookie' });
    expect([200, 204]).toContain((await remove(administrator, `/api/v1/users/${person.id}`)).status);
    expect(await isIn(one)).toBe(false);
  });

  it('is a sign-in more than there may be', async () => {
    const first = await signIn(app, person);
    for (let number = 0; number < 9; number++) await signIn(app, person);
    expect(await isIn(first)).toBe(true);
    await signIn(app, person);
    expect(await isIn(first)).toBe(false);
    expect(await listOf(await signIn(app, person))).toHaveLength(10);
  });
});

describe('GET /api/v1/session-analytics', () => {
  it('counts by day', async () => {
    await signIn(app, person, { headers: from(ADDRESSES.AU) });
    await app.app.get(SessionDays, { strict: false }).run();
    const response = await administrator.fetch('/api/v1/session-analytics?country=AU&limit=1');
    expect(await response.json()).toMatchObject({
      data: [{ country: 'AU', opened: 1, sessions: 1, users: 1, devices: 1, countries: 1 }],
      has_more: false,
    });
    const one = await signIn(app, person);
    expect((await one.fetch('/api/v1/session-analytics')).status).toBe(403);
  });
});

describe('the numbers', () => {
  it('of sessions are among the metrics', async () => {
    const { apiKey } = await app.createClient({ scopes: ['metrics:read'] });
    const text = await (await fetch(`${app.url}/metrics`, { headers: { 'x-api-key': apiKey } })).text();
    expect(text).toMatch(/core_nest_sessions_opened_total [1-9]/);
    expect(text).toMatch(/core_nest_sessions_ended_total\{reason="ended"\} [1-9]/);
    expect(text).toMatch(/core_nest_session_signals_total\{signal="new_device"\} \d/);
    expect(text).toMatch(/core_nest_sessions_noted \d/);
  });
});
