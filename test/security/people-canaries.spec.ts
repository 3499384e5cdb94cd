import { once } from 'node:events';
import { DEVICE_COOKIE } from '../../src/identity/sessions/devices/device-cookie.js';
import { SESSION_COOKIE } from '../../src/identity/sessions/session-cookie.js';
import { Canaries } from '../support/canaries.js';
import { eventually } from '../support/eventually.js';
import type { Line, SprayedApp } from '../support/sprayed-app.js';
import { bearer, OWNER, SprayedPeople } from '../support/sprayed-people.js';
import { everythingInPostgres, everythingInRedis } from '../support/stored.js';

const canaries = new Canaries();
let people: SprayedPeople;
let app: SprayedApp;

beforeAll(async () => {
  people = await SprayedPeople.start(canaries);
  app = people.app;
}, 60_000);
afterAll(() => people?.stop());

describe('secrets of people, put where they go and where they do not', () => {
  it('the first administrator’s', async () => {
    const { access } = await people.signIn(OWNER, people.ownersPassword);
    await people.expectSilent(people.tell('GET /api/v1/me', undefined, [bearer(access)]), 200);
  });

  it('of a sign-in, right, wrong and misplaced', async () => {
    const { email, password } = await people.join();
    await people.signIn(email, password);
    const wrong = () => canaries.plant('a wrong password');
    await people.expectSilent(people.post('auth/login', { email, password: wrong() }), 401);
    await people.expectSilent(people.post('auth/login', { email: wrong(), password: wrong() }), 401);
    await people.expectSilent(people.post('auth/login', { email: `${wrong()}@example.com`, password: wrong() }), 401);
    await people.expectSilent(people.post('auth/login', { email, password: [wrong()] }), 400);
    await people.expectSilent(people.post('auth/login', { email, passwort: wrong() }), 400);
    expect((await people.post('auth/login', { email, password, [wrong()]: wrong() })).status).toBe(400);
    await people.expectSilent(people.post('auth/login', `{"email":"${email}","password":"${wrong()}`), 400);
    await people.expectSilent(people.post('auth/login', { email, password: wrong().repeat(400) }), 413);
    await people.expectSilent(people.post('auth/login', `email=${email}&password=${wrong()}`), 415);
  });

  it('of tokens: renewed, used twice, revoked, asked about, changed by a letter', async () => {
    const { email, password } = await people.join();
    const { access, refresh } = await people.signIn(email, password);
    const next = (await people.post('auth/refresh', { refresh_token: refresh })).body;
    people.keep('an access token, renewed', next.access_token);
    people.keep('a refresh token, renewed', next.refresh_token);
    const wrong = people.keep(
      'a refresh token, changed',
      refresh.replace(/.$/, (end) => (end === 'A' ? 'B' : 'A')),
    );
    await people.expectSilent(people.post('auth/refresh', { refresh_token: wrong }), 400, 401);
    await people.expectSilent(
      people.post('auth/refresh', { refresh_token: canaries.plant('no refresh token') }),
      400,
      401,
    );
    await people.expectSilent(people.post('auth/introspect', { token: next.access_token }, [people.admin]), 200);
    await people.expectSilent(people.post('auth/introspect', `token=${next.refresh_token}`, [people.admin]), 200);
    const forged = people.keep('a JWT, changed', next.access_token.replace(/.{6}$/, 'AAAAAA'));
    for (const token of [forged, canaries.plant('no token'), `${access}=`, next.refresh_token])
      for (const line of [bearer(token), ['X-API-Key', token], ['Authorization', `DPoP ${token}`]] as Line[])
        await people.expectSilent(people.tell('GET /api/v1/whoami', undefined, [line]), 400, 401);
    await people.expectSilent(
      people.tell('GET /api/v1/whoami', undefined, [bearer(access), ['X-API-Key', access]]),
      400,
    );
    await people.expectSilent(people.post('auth/revoke', { token: access }, [bearer(next.access_token)]), 200);
    await people.expectSilent(people.tell('GET /api/v1/whoami', undefined, [bearer(access)]), 401);
    await app.database.query(`UPDATE refresh_tokens SET used_at = now() - interval '1 hour' WHERE used_at IS NOT NULL`);
    await people.expectSilent(people.post('auth/refresh', { refresh_token: refresh }), 401);
    await people.expectSilent(people.post('auth/refresh', { refresh_token: next.refresh_token }), 401);
  });

  it('of a client’s short token', async () => {
    const key = await app.makeClient({ scopes: ['llm:invoke'] });
    const form = 'grant_type=client_credentials';
    const misplaced = `${form}&client_secret=${canaries.plant('a secret in a body')}`;
    await people.expectSilent(people.tell('POST /oauth/token', misplaced, [['X-API-Key', key]]), 400);
    const { status, body } = await people.tell('POST /oauth/token', form, [['X-API-Key', key]]);
    expect(status).toBe(200);
    const token = people.keep('a short token', body.access_token);
    await people.expectSilent(people.tell('GET /api/v1/whoami', undefined, [bearer(token)]), 200);
    await people.expectSilent(
      people.tell('POST /oauth/token', `grant_type=${canaries.plant('a grant type')}`, [['X-API-Key', key]]),
      400,
    );
    const scope = `${form}&scope=${canaries.plant('a scope')}`;
    await people.expectSilent(people.tell('POST /oauth/token', scope, [['X-API-Key', key]]), 400);
  });

  it('of a session by cookie, with its token against other sites', async () => {
    const { email, password } = await people.join();
    const response = await fetch(`http://127.0.0.1:${app.process.port}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password, mode: 'cookie', remember_me: true }),
    });
    const cookies = new Map(
      response.headers.getSetCookie().map((line) => /^([^=]+)=([^;]*)/.exec(line)?.slice(1) as [string, string]),
    );
    const { csrf_token: csrf } = (await response.json()) as { csrf_token: string };
    const cookie = cookies.get(SESSION_COOKIE) ?? '';
    canaries.add('the secret of a cookie', cookie.split('.')[2] ?? '');
    canaries.add('the cookie of a device', cookies.get(DEVICE_COOKIE) ?? '');
    canaries.add('a token against other sites', csrf);
    const header: Line = ['Cookie', `${SESSION_COOKIE}=${cookie}; ${DEVICE_COOKIE}=${cookies.get(DEVICE_COOKIE)}`];
    expect(cookie.length + csrf.length + (cookies.get(DEVICE_COOKIE) ?? '').length).toBeGreaterThan(120);
    await people.expectSilent(people.tell('GET /api/v1/sessions?limit=1', undefined, [header]), 200);
    await people.expectSilent(people.tell('DELETE /api/v1/sessions?except=current', undefined, [header]), 403);
    const guess = canaries.plant('a wrong token against other sites');
    await people.expectSilent(
      people.tell('DELETE /api/v1/sessions?except=current', undefined, [header, ['X-CSRF-Token', guess]]),
      403,
    );
    await people.expectSilent(
      people.tell('DELETE /api/v1/sessions?except=current', undefined, [header, ['X-CSRF-Token', csrf]]),
      204,
    );
    const wrong: Line = ['Cookie', `${SESSION_COOKIE}=${cookie.replace(/[^.]+$/, canaries.plant('a wrong cookie'))}`];
    await people.expectSilent(people.tell('GET /api/v1/sessions?limit=1', undefined, [wrong]), 401);
    await people.expectSilent(
      people.tell('POST /api/v1/auth/logout?x=1', undefined, [header, ['X-CSRF-Token', csrf]]),
      204,
    );
    await people.expectSilent(people.tell('GET /api/v1/sessions?limit=1', undefined, [header]), 401);
  });

  it('of changes: another password, another address, a reset', async () => {
    const { email, password } = await people.join();
    const { access } = await people.signIn(email, password);
    const [next, other] = [canaries.plant('the next password'), people.freshEmail()];
    const wrong = canaries.plant('a wrong present password');
    await people.expectSilent(
      people.post('me/password', { current_password: wrong, new_password: next }, [bearer(access)]),
      400,
    );
    await people.expectSilent(
      people.post('me/password', { current_password: password, new_password: email }, [bearer(access)]),
      400,
    );
    await people.expectSilent(people.post('auth/reauthenticate', { password: wrong }, [bearer(access)]), 400, 401, 403);
    const changed = await people.post('me/password', { current_password: password, new_password: next }, [
      bearer(access),
    ]);
    expect(changed.status).toBeLessThan(300);
    const { access: token } = await people.signIn(email, next);
    await people.expectSilent(people.post('me/email', { current_password: wrong, email: other }, [bearer(token)]), 400);
    await people.expectSilent(people.post('me/email', { current_password: next, email: other }, [bearer(token)]), 202);
    await people.expectSilent(people.post('auth/verify-email', { token: await people.tokenTo(other) }), 200);
    await people.expectSilent(people.post('auth/verify-email', { token: canaries.plant('no token of a mail') }), 400);
    await people.expectSilent(
      people.post('auth/verify-email', { token: people.keep('a wrong token of a mail', `ott_${'Q7'.repeat(21)}x`) }),
      400,
    );
    await people.expectSilent(people.post('auth/forgot-password', { email: other }), 202);
    const reset = { token: await people.tokenTo(other), password: canaries.plant('a password set by mail') };
    await people.expectSilent(people.post('auth/reset-password', { ...reset, password: 'short' }), 400);
    await people.expectSilent(people.post('auth/reset-password', reset), 204);
    await people.expectSilent(people.post('auth/reset-password', reset), 400);
  });

  const TABLES = ['users', 'sessions', 'refresh_tokens', 'one_time_tokens', 'sign_in_attempts', 'audit_logs'];

  it.each(TABLES)('while statements about %s fail', async (table) => {
    const { email, password } = await people.join();
    const { access, refresh } = await people.signIn(email, password);
    await people.expectSilent(people.post('auth/forgot-password', { email }), 202);
    const token = await people.tokenTo(email);
    await app.database.query(`ALTER TABLE ${table} RENAME TO ${table}_away`);
    try {
      const next = canaries.plant('a password that could not be kept');
      await people.expectNothingTold(people.post('auth/login', { email, password }));
      await people.expectNothingTold(people.post('auth/refresh', { refresh_token: refresh }));
      await people.expectNothingTold(people.post('auth/reset-password', { token, password: next }));
      await people.expectNothingTold(people.post('auth/verify-email', { token }));
      await people.expectNothingTold(
        people.post('me/password', { current_password: password, new_password: next }, [bearer(access)]),
      );
      await people.expectNothingTold(people.post('auth/introspect', { token: refresh }, [people.admin]));
      await people.expectNothingTold(people.post('auth/revoke', { token: refresh }, [bearer(access)]));
      await people.expectNothingTold(people.post('users', { email: people.freshEmail(), name: 'x' }, [people.admin]));
    } finally {
      await app.database.query(`ALTER TABLE ${table}_away RENAME TO ${table}`);
    }
  });

  it.each(['PostgreSQL', 'Redis', 'both'])('without %s', async (away) => {
    const { email, password } = await people.join();
    const { access, refresh } = await people.signIn(email, password);
    if (away !== 'Redis') await app.toPostgres.refuse();
    if (away !== 'PostgreSQL') await app.toRedis.refuse();
    try {
      await people.expectNothingTold(people.post('auth/login', { email, password }));
      await people.expectNothingTold(people.post('auth/refresh', { refresh_token: refresh }));
      await people.expectNothingTold(people.tell('GET /api/v1/me', undefined, [bearer(access)]));
      await people.expectNothingTold(people.post('auth/reset-password', { token: `ott_${'a'.repeat(43)}`, password }));
    } finally {
      await Promise.all([app.toPostgres.heal(), app.toRedis.heal()]);
      await eventually(async () => (await app.ask('GET /health/ready', []))?.body.includes('"ready"') === true, 15_000);
    }
  });
});

describe('afterwards none of them is', () => {
  beforeAll(async () => {
    const id = 'the-last-of-them';
    await app.ask('GET /api/v1/whoami', [people.admin, ['X-Request-Id', id]]);
    const row = 'SELECT 1 FROM api_logs WHERE request_id = $1';
    await eventually(async () => (await app.database.query(row, [id])).length === 1, 10_000);
    expect(canaries.count).toBeGreaterThan(1_000);
  }, 30_000);

  it('in a table, waiting mail and what the server is running included', async () => {
    await app.database.query(
      `INSERT INTO mail_outbox (kind, params, next_attempt_at)
       SELECT 'user.invite', jsonb_build_object('user_id', id), now() + interval '1 hour' FROM users LIMIT 1`,
    );
    const stored = await everythingInPostgres(app.database);
    for (const there of [OWNER, '$2b$04$', 'user.sign_in_failed', 'token.reuse_detected', 'user.invite'])
      expect([there, stored.includes(there)]).toEqual([there, true]);
    expect(canaries.in(stored)).toEqual([]);
  });

  it('in Redis, nor in what Redis was told', async () => {
    expect(await everythingInRedis(app.redis)).toContain('principal');
    expect(canaries.in(await everythingInRedis(app.redis))).toEqual([]);
    expect(canaries.in(app.toldRedis.join('\n'))).toEqual([]);
  });

  it.each(['api-logs', 'audit-logs'])('in %s as the API shows them', async (log) => {
    for (let cursor = ''; cursor !== 'none'; ) {
      const page = await app.ask(`GET /api/v1/${log}?limit=200${cursor}`, [people.admin]);
      const { data, next_cursor } = JSON.parse(page?.body ?? '');
      expect(data.length).toBeGreaterThan(0);
      expect(canaries.in(page?.body ?? '')).toEqual([]);
      cursor = next_cursor === null ? 'none' : `&cursor=${next_cursor}`;
    }
  });

  it('in a mail, but for its own token', () => {
    expect(people.smtp.taken.length).toBeGreaterThan(0);
    for (const { source } of people.smtp.taken)
      expect(canaries.in(source.replaceAll(/ott_[\w-]{43}/g, ''))).toEqual([]);
  });

  it('on stdout or stderr, at the most talkative level, to the end of the process', async () => {
    const { child, output } = app.process;
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    expect(output()).toContain('"level":"debug"');
    expect(canaries.in(output())).toEqual([]);
  });
});
