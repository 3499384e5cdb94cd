import { once } from 'node:events';
import { request } from 'node:http';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { nextMailTo, tokenIn } from '../support/mails.js';
import { accessTokenOf, buildSession, buildUser, PASSWORD } from '../support/people.js';
import { SmtpServer } from '../support/smtp-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const RATE_LIMITS = 'general=1000000/60,login=1000000/60';
const TOKEN = `ott_${'a'.repeat(43)}`;
const LONGEST_MS = 7_000;

let database: TestDatabase;
let proxy: TcpProxy;
let smtp: SmtpServer;
let core: TestApp;
let bearer: string;
let signedIn: Awaited<ReturnType<typeof buildUser>>;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await TcpProxy.start(database.url);
  smtp = await SmtpServer.start();
  core = await startApp({
    settings: { RATE_LIMITS, MAIL_URL: smtp.url },
    database: { ...database, url: proxy.through(database.url) },
  });
  signedIn = await buildUser(database);
  bearer = await accessTokenOf(core, await buildSession(database, signedIn.id));
});
afterAll(async () => {
  await proxy?.heal();
  await core?.stop();
  await smtp?.stop();
  await proxy?.stop();
  await database?.drop();
});

const post = (path: string, body: unknown, token?: string) => httpCall(core.url, 'POST', path, { body, bearer: token });

/** Every route that reads a password or a token, with a body for it. */
const ROUTES: [path: string, body: (secret: string) => object, needsBearer: boolean][] = [
  ['/api/v1/auth/accept-invite', (password) => ({ token: TOKEN, password }), false],
  ['/api/v1/auth/reset-password', (password) => ({ token: TOKEN, password }), false],
  ['/api/v1/auth/verify-email', (token) => ({ token }), false],
  ['/api/v1/auth/forgot-password', (email) => ({ email: `${email}@example.com` }), false],
  ['/api/v1/auth/reauthenticate', (password) => ({ password }), true],
  ['/api/v1/me/password', (password) => ({ current_password: password, new_password: password }), true],
  ['/api/v1/me/email', (password) => ({ current_password: password, email: 'new@example.com' }), true],
];

describe.each(ROUTES)('%s', (path, bodyOf, needsBearer) => {
  const call = (secret: string) => post(path, bodyOf(secret), needsBearer ? bearer : undefined);

  it('refuses a megabyte at once', async () => {
    await call('warm');
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      expect((await call('x'.repeat(1_000_000))).status).toBe(413);
      times.push(performance.now() - started);
    }
    expect(Math.min(...times)).toBeLessThan(100);
  });

  it('refuses a megabyte that does not say how long it is', async () => {
    const headers = { 'content-type': 'application/json', ...(needsBearer && { authorization: `Bearer ${bearer}` }) };
    const sent = request(`${core.url}${path}`, { method: 'POST', headers });
    sent.on('error', () => undefined);
    const answered = once(sent, 'response');
    const started = performance.now();
    sent.write(JSON.stringify(bodyOf('x'.repeat(1_000_000))));
    const [{ statusCode }] = await answered;
    expect(statusCode).toBe(413);
    expect(performance.now() - started).toBeLessThan(1_000);
    sent.destroy();
  });

  it('refuses what is no text', async () => {
    for (const bad of [7, null, ['x'], { x: 1 }, true]) {
      const body = Object.fromEntries(Object.keys(bodyOf('x')).map((name) => [name, bad]));
      const answer = await post(path, body, needsBearer ? bearer : undefined);
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    }
  });

  it('never says what was sent', async () => {
    const { text } = await post(
      path,
      { ...bodyOf('canary-canary'), extra: 'canary' },
      needsBearer ? bearer : undefined,
    );
    expect(text).not.toContain('canary');
  });
});

describe('while PostgreSQL is away', () => {
  afterEach(() => proxy.heal());

  it.each(['refuse', 'blackHole'] as const)(
    '(%s) everything is 503 within bounds, and a token stays good',
    async (fault) => {
      const { email } = await buildUser(database);
      await post('/api/v1/auth/forgot-password', { email });
      const token = tokenIn(await nextMailTo(core, smtp, email));
      await proxy[fault]();
      const started = performance.now();
      const answers = await Promise.all([
        post('/api/v1/auth/forgot-password', { email }),
        post('/api/v1/auth/forgot-password', { email: 'nobody@example.com' }),
        ...Array.from({ length: 5 }, () => post('/api/v1/auth/reset-password', { token, password: PASSWORD })),
        post('/api/v1/auth/accept-invite', { token: TOKEN, password: PASSWORD }),
        post('/api/v1/auth/verify-email', { token: TOKEN }),
      ]);
      expect(performance.now() - started).toBeLessThan(LONGEST_MS);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503));
      for (const { headers, text } of answers) {
        expect(headers.get('retry-after')).toBe('1');
        expect(text).not.toMatch(/ECONN|postgres|SELECT|INSERT/i);
      }
      await proxy.heal();
      await eventually(async () => {
        const { status } = await post('/api/v1/auth/reset-password', { token, password: `${PASSWORD} again` });
        return status === 204;
      }, 15_000);
    },
  );
});

describe('while the mail server is away', () => {
  it('nobody waits for it, and every mail arrives once it is back', async () => {
    await smtp.stop();
    const people = await Promise.all(Array.from({ length: 5 }, () => buildUser(database)));
    for (const { email } of people) {
      const answer = await post('/api/v1/auth/forgot-password', { email });
      expect([answer.status, answer.body]).toEqual([202, { mail: 'promised' }]);
    }
    const attempts = () => database.query<{ attempts: number }>('SELECT attempts FROM mail_outbox');
    await eventually(async () => (await attempts()).every((mail) => mail.attempts > 0));
    expect((await attempts()).length).toBeGreaterThanOrEqual(5);
    await smtp.start();
    // What is not under way at this moment is due.
    await database.query(
      `UPDATE mail_outbox SET next_attempt_at = now() WHERE next_attempt_at < now() + interval '30 seconds'`,
    );
    for (const { email } of people) {
      const mail = await nextMailTo(core, smtp, email);
      const answer = await post('/api/v1/auth/reset-password', { token: tokenIn(mail), password: `${PASSWORD} again` });
      expect(answer.status).toBe(204);
    }
    // Each try had a token of its own, of which the last is good.
    const ids = people.map(({ id }) => id);
    expect(await database.query('SELECT FROM one_time_tokens WHERE user_id = ANY ($1)', [ids])).toEqual([]);
  });
});

describe('a change without its line in the audit log', () => {
  it('is none', async () => {
    const { id, email } = await buildUser(database);
    await post('/api/v1/auth/forgot-password', { email });
    const token = tokenIn(await nextMailTo(core, smtp, email));
    const admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
    const before = await database.query('SELECT * FROM users ORDER BY id');
    const tokens = await database.query('SELECT * FROM one_time_tokens');
    await database.query('ALTER TABLE audit_logs RENAME TO audit_logs_away');
    try {
      const answers = [
        await post('/api/v1/auth/reset-password', { token, password: PASSWORD }),
        await post('/api/v1/me/password', { current_password: PASSWORD, new_password: `${PASSWORD} 2` }, bearer),
        await httpCall(core.url, 'PATCH', `/api/v1/users/${id}`, { body: { status: 'suspended' }, bearer: admin }),
        await httpCall(core.url, 'PATCH', `/api/v1/users/${id}`, { body: { name: 'New' }, bearer: admin }),
        await httpCall(core.url, 'DELETE', `/api/v1/users/${id}`, { bearer: admin }),
        await httpCall(core.url, 'POST', '/api/v1/users', { body: { email: 'new@example.com' }, bearer: admin }),
      ];
      for (const { status } of answers) expect(status).toBeGreaterThanOrEqual(500);
    } finally {
      await database.query('ALTER TABLE audit_logs_away RENAME TO audit_logs');
    }
    expect(await database.query('SELECT * FROM users ORDER BY id')).toEqual(before);
    expect(await database.query('SELECT * FROM one_time_tokens')).toEqual(tokens);
  });
});
