import { type Answer, httpCall, locationsOf } from '../support/http-call.js';
import { accessTokenOf, buildSession, buildUser, PASSWORD } from '../support/people.js';
import { type PeopleApp, startPeopleApp } from '../support/people-app.js';

let app: PeopleApp;

beforeAll(async () => {
  app = await startPeopleApp();
});
afterAll(() => app?.stop());

const at = (id: string) => `/api/v1/users/${id}`;

describe('many things at once', () => {
  it('accepting and removing, resetting and suspending end one way or the other, and never in a deadlock', async () => {
    for (let round = 0; round < 15; round++) {
      const { user, token } = await app.invite();
      const [accepted, removed] = await Promise.all([
        app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD }),
        app.call('DELETE', at(user.user_id)),
      ]);
      expect([200, 400]).toContain(accepted.status);
      expect(removed.status).toBe(204);

      const person = await buildUser(app.core.database);
      await app.post('/api/v1/auth/forgot-password', { email: person.email });
      const reset = await app.tokenTo(person.email);
      const [set, suspended, asked] = await Promise.all([
        app.post('/api/v1/auth/reset-password', { token: reset, password: `${PASSWORD} 2` }),
        app.call('PATCH', at(person.id), { status: 'suspended' }),
        app.post('/api/v1/auth/forgot-password', { email: person.email }),
      ]);
      expect([204, 400]).toContain(set.status);
      expect([suspended.status, asked.status]).toEqual([200, 202]);
    }
  });

  it('five changes of one password are one', async () => {
    const { person, token } = await app.signedIn();
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        app.call(
          'POST',
          '/api/v1/me/password',
          { current_password: PASSWORD, new_password: `${PASSWORD} ${index}` },
          token,
        ),
      ),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    for (const { status } of answers) expect([204, 400, 409, 429]).toContain(status);
    const changes = (await app.audited(person.id)).filter(
      ({ action, outcome }) => action === 'user.password_change' && outcome === 'succeeded',
    );
    expect(changes).toHaveLength(1);
  });
});

describe('the doors without a credential', () => {
  it('are of the class login: five a minute for one address', async () => {
    const strict = await app.core.replica({ RATE_LIMITS: '' });
    const statuses: number[] = [];
    for (const path of ['forgot-password', 'reset-password', 'accept-invite', 'verify-email', 'forgot-password', 'x']) {
      const body = { email: 'x@example.com', token: 'x', password: 'x' };
      const fields = { 'forgot-password': ['email'], 'verify-email': ['token'] }[path] ?? ['token', 'password'];
      const picked = Object.fromEntries(Object.entries(body).filter(([name]) => fields.includes(name)));
      statuses.push((await httpCall(strict.url, 'POST', `/api/v1/auth/${path}`, { body: picked })).status);
    }
    const sixth = await httpCall(strict.url, 'POST', '/api/v1/auth/reset-password', {
      body: { token: 'x', password: 'x' },
    });
    await strict.stop();
    expect(statuses).toEqual([202, 400, 400, 400, 202, 404]);
    expect([sixth.status, sixth.body.code]).toEqual([429, 'rate_limited']);
  });
});

describe('a forgotten password', () => {
  it('is set anew with the token of a mail, once, and ends what there was', async () => {
    const { person, token: accessToken } = await app.signedIn();
    const asked = await app.post('/api/v1/auth/forgot-password', { email: person.email.toUpperCase() });
    expect([asked.status, asked.body]).toEqual([202, { mail: 'promised' }]);
    const token = await app.tokenTo(person.email);
    const password = 'four quiet lanterns below';
    expect(locationsOf(await app.post('/api/v1/auth/reset-password', { token, password: 'password1234' }))).toEqual([
      'body.password',
    ]);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => app.post('/api/v1/auth/reset-password', { token, password })),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ body }) => body?.code === 'invalid_one_time_token')).toHaveLength(99);
    expect((await app.call('GET', '/api/v1/whoami', undefined, accessToken)).status).toBe(401);
    const notice = await app.mailTo(person.email);
    expect(notice.source).toContain('was changed');
    expect(await app.audited(person.id)).toContainEqual(
      expect.objectContaining({ action: 'user.password_reset', actor_type: 'user', actor_id: person.id }),
    );
  });

  it('answers alike whoever asks for whom, and sends mail to nobody else', async () => {
    const active = await buildUser(app.core.database);
    const others = [
      'nobody@example.com',
      (await buildUser(app.core.database, { status: 'suspended' })).email,
      (await buildUser(app.core.database, { status: 'invited', password: null })).email,
    ];
    const answers: Answer[] = [];
    for (const email of [...others, active.email])
      answers.push(await app.post('/api/v1/auth/forgot-password', { email }));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    await app.mailTo(active.email);
    for (const email of others) expect(app.smtp.taken.filter(({ to }) => to.includes(`<${email}>`))).toEqual([]);
    expect(locationsOf(await app.post('/api/v1/auth/forgot-password', { email: 'x' }))).toEqual(['body.email']);
  });

  it('fills nobody’s mailbox', async () => {
    const { id, email } = await buildUser(app.core.database);
    for (let i = 0; i < 5; i++) {
      await app.post('/api/v1/auth/forgot-password', { email });
      await app.mailTo(email);
    }
    await app.post('/api/v1/auth/forgot-password', { email });
    const other = await buildUser(app.core.database);
    await app.post('/api/v1/auth/forgot-password', { email: other.email });
    await app.mailTo(other.email);
    expect(app.smtp.taken.filter(({ to }) => to.includes(`<${email}>`))).toEqual([]);
    expect(await app.core.database.query('SELECT FROM one_time_tokens WHERE user_id = $1', [id])).toHaveLength(5);
  });

  it('refuses alike every token that is not good', async () => {
    const { id, email } = await buildUser(app.core.database);
    await app.post('/api/v1/auth/forgot-password', { email });
    const token = await app.tokenTo(email);
    await app.post('/api/v1/auth/forgot-password', { email });
    const old = await app.tokenTo(email);
    await app.core.database.query(`UPDATE one_time_tokens SET expires_at = now() WHERE token_hash = $1`, [
      Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(old))).toString('base64url'),
    ]);
    const tries = [old, `${token}x`, token.slice(0, -1), `ott_${'a'.repeat(43)}`, '', 'x', token.toLowerCase()];
    const answers = await Promise.all(
      tries.map((each) => app.post('/api/v1/auth/reset-password', { token: each, password: PASSWORD })),
    );
    // A token is good for one thing.
    answers.push(await app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD }));
    answers.push(await app.post('/api/v1/auth/verify-email', { token }));
    const shown = answers.map(({ status, body }) => ({ status, ...body, request_id: '', instance: '' }));
    expect(new Set(shown.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(shown[0]).toMatchObject({ status: 400, code: 'invalid_one_time_token' });
    // It was sent to an address that is no longer theirs.
    await app.core.database.query(
      `UPDATE users SET email = 'other@example.com', email_key = 'other@example.com' WHERE id = $1`,
      [id],
    );
    expect((await app.post('/api/v1/auth/reset-password', { token, password: PASSWORD })).status).toBe(400);
  });
});

describe('one’s own password', () => {
  const change = (token: string, body: object) => app.call('POST', '/api/v1/me/password', body, token);

  it('is changed with the present one; this session goes on', async () => {
    const { person, token } = await app.signedIn();
    const elsewhere = await buildSession(app.core.database, person.id);
    const otherToken = await accessTokenOf(app.core, elsewhere);
    const new_password = 'seven brass umbrellas sing';
    const wrong = await change(token, { current_password: 'not it at all', new_password });
    expect([wrong.status, locationsOf(wrong)]).toEqual([400, ['body.current_password']]);
    const weak = await change(token, { current_password: PASSWORD, new_password: 'iloveyou1234' });
    expect(locationsOf(weak)).toEqual(['body.new_password']);
    expect((await change(token, { current_password: PASSWORD, new_password })).status).toBe(204);
    expect((await app.call('GET', '/api/v1/whoami', undefined, token)).status).toBe(200);
    expect((await app.call('GET', '/api/v1/whoami', undefined, otherToken)).status).toBe(401);
    expect((await change(token, { current_password: PASSWORD, new_password })).status).toBe(400);
    await app.mailTo(person.email);
    expect((await app.audited(person.id)).filter(({ action }) => action === 'user.password_change')).toEqual([
      expect.objectContaining({ outcome: 'failed' }),
      expect.objectContaining({ outcome: 'succeeded', actor_id: person.id }),
      expect.objectContaining({ outcome: 'failed' }),
    ]);
  });

  it('is not for keys, and takes 15 characters of an administrator', async () => {
    const { apiKey } = await app.core.createClient({ scopes: ['admin'] });
    const body = { current_password: PASSWORD, new_password: 'quiet-lanterns' };
    expect((await change(apiKey, body)).body.code).toBe('user_required');
    const { token } = await app.signedIn({ roles: ['owner'] });
    const answer = await change(token, body);
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringContaining('at least 15 characters')]);
  });
});

describe('one’s own address', () => {
  it('is no other one any more by a token that was sent before the password was changed', async () => {
    const { person, token } = await app.signedIn();
    const thieves = app.freshEmail();
    const proof = async (password: string) => {
      const bearer = await accessTokenOf(app.core, await buildSession(app.core.database, person.id));
      const body = { current_password: password, email: thieves };
      expect((await app.call('POST', '/api/v1/me/email', body, bearer)).status).toBe(202);
      return app.tokenTo(thieves);
    };
    const verify = (sent: string) => app.post('/api/v1/auth/verify-email', { token: sent });

    const beforeChange = await proof(PASSWORD);
    const change = { current_password: PASSWORD, new_password: `${PASSWORD} 2` };
    expect((await app.call('POST', '/api/v1/me/password', change, token)).status).toBe(204);
    await app.mailTo(person.email);
    expect((await verify(beforeChange)).body.code).toBe('invalid_one_time_token');

    const beforeReset = await proof(change.new_password);
    await app.post('/api/v1/auth/forgot-password', { email: person.email });
    const reset = { token: await app.tokenTo(person.email), password: `${PASSWORD} 3` };
    expect((await app.post('/api/v1/auth/reset-password', reset)).status).toBe(204);
    expect((await verify(beforeReset)).body.code).toBe('invalid_one_time_token');
    expect((await app.call('GET', at(person.id))).body.email).toBe(person.email);
  });

  it('is another one once the token sent there came back', async () => {
    const { person, token } = await app.signedIn();
    const email = app.freshEmail();
    const ask = (body: object) => app.call('POST', '/api/v1/me/email', body, token);
    expect(locationsOf(await ask({ current_password: 'no', email }))).toEqual(['body.current_password']);
    expect((await ask({ current_password: PASSWORD, email })).status).toBe(202);
    const proof = await app.tokenTo(email);
    expect((await app.call('GET', at(person.id))).body.email).toBe(person.email);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => app.post('/api/v1/auth/verify-email', { token: proof })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await app.call('GET', at(person.id))).body).toMatchObject({ email, email_verified_at: expect.any(String) });
    expect((await app.mailTo(person.email)).source).toContain('another e-mail address');

    const other = await buildUser(app.core.database);
    await ask({ current_password: PASSWORD, email: other.email });
    const taken = await app.post('/api/v1/auth/verify-email', {
      token: await app.tokenTo(other.email),
    });
    expect([taken.status, taken.body.code]).toEqual([409, 'conflict']);
    // The one there is can be proved, too.
    await app.core.database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [person.id]);
    await ask({ current_password: PASSWORD, email });
    const again = await app.post('/api/v1/auth/verify-email', { token: await app.tokenTo(email) });
    expect([again.status, again.body.email_verified_at]).toEqual([200, expect.any(String)]);
  });
});
