import { startApp, type TestApp } from '../support/app.js';
import { type Answer, httpCall, locationsOf } from '../support/http-call.js';
import { nextMailTo, tokenIn } from '../support/mails.js';
import { accessTokenOf, buildGrant, buildSession, buildUser, PASSWORD } from '../support/people.js';
import { SmtpServer } from '../support/smtp-server.js';

const RATE_LIMITS = 'general=1000000/60,login=1000000/60,key_creation=1000000/60';
const UNKNOWN = 'usr_00000000000000000000';

let core: TestApp;
let smtp: SmtpServer;
let adminKey: string;

beforeAll(async () => {
  smtp = await SmtpServer.start();
  core = await startApp({ settings: { RATE_LIMITS, MAIL_URL: smtp.url, PUBLIC_URL: 'https://gateway.example.com' } });
  adminKey = (await core.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(async () => {
  await core?.stop();
  await smtp?.stop();
});

const call = (method: string, path: string, body?: unknown, bearer = adminKey) =>
  httpCall(core.url, method, path, { body, bearer });
const post = (path: string, body?: unknown) => httpCall(core.url, 'POST', path, { body });
const at = (id: string) => `/api/v1/users/${id}`;
const audited = (id: string) =>
  core.database.query<{
    action: string;
    actor_type: string;
    actor_id: string | null;
    details: object;
    outcome: string;
  }>(`SELECT action, actor_type, actor_id, details, outcome FROM audit_logs WHERE subject_id = $1 ORDER BY id`, [id]);

let last = 0;
const freshEmail = () => `person${++last}@example.com`;

async function invite(overrides: object = {}): Promise<{ user: Answer['body']; token: string }> {
  const email = freshEmail();
  const answer = await call('POST', '/api/v1/users', { email, ...overrides });
  expect(answer.status).toBe(201);
  return { user: answer.body, token: tokenIn(await nextMailTo(core, smtp, email)) };
}

/** A signed-in user: their access token. */
async function signedIn(overrides: Parameters<typeof buildUser>[1] = {}) {
  const person = await buildUser(core.database, overrides);
  const session = await buildSession(core.database, person.id);
  return { person, session, token: await accessTokenOf(core, session) };
}

describe('inviting somebody', () => {
  it('makes a user and sends a mail; with its token they set a password and are active', async () => {
    const email = 'Ada.Lovelace@example.com';
    const made = await call('POST', '/api/v1/users', { email, name: 'Ada', tier: 'free' });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      user_id: expect.stringMatching(/^usr_[0-9A-Za-z]{20}$/),
      email,
      name: 'Ada',
      status: 'invited',
      tier: 'free',
      email_verified_at: null,
      password_changed_at: null,
      created_at: expect.stringMatching(/Z$/),
      updated_at: expect.stringMatching(/Z$/),
    });
    const mail = await nextMailTo(core, smtp, email);
    expect(mail.source).toContain('https://gateway.example.com/api/v1/auth/accept-invite');
    expect(mail.source).toContain('Hello Ada,');
    expect(await core.database.query('SELECT * FROM mail_outbox')).toEqual([]);

    const token = tokenIn(mail);
    const stored = JSON.stringify(await core.database.query('SELECT * FROM one_time_tokens'));
    expect(stored).not.toContain(token);
    const accepted = await post('/api/v1/auth/accept-invite', { token, password: PASSWORD, name: 'Ada L.' });
    expect([accepted.status, accepted.body]).toEqual([
      200,
      expect.objectContaining({ user_id: made.body.user_id, name: 'Ada L.', status: 'active' }),
    ]);
    expect(accepted.body.email_verified_at).not.toBeNull();
    expect((await audited(made.body.user_id)).map(({ action, actor_type }) => [action, actor_type])).toEqual([
      ['user.create', 'client'],
      ['user.invite', 'client'],
      ['user.accept_invite', 'user'],
    ]);

    const again = await post('/api/v1/auth/accept-invite', { token, password: PASSWORD });
    expect([again.status, again.body.code]).toEqual([400, 'invalid_one_time_token']);
  });

  it('refuses a second user with the address in another spelling', async () => {
    const email = freshEmail();
    await call('POST', '/api/v1/users', { email });
    for (const spelling of [email, email.toUpperCase(), email.replace('person', 'ｐerson')]) {
      const answer = await call('POST', '/api/v1/users', { email: spelling });
      expect([answer.status, answer.body.code]).toEqual([409, 'conflict']);
    }
    const many = await Promise.all(
      Array.from({ length: 20 }, () => call('POST', '/api/v1/users', { email: 'twin@example.com' })),
    );
    expect(many.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
  });

  it.each([
    [{ email: 'no address' }, 'body.email'],
    [{ email: 'a@b@c' }, 'body.email'],
    [{ email: 'Ada <ada@example.com>' }, 'body.email'],
    [{ email: 'ada@example.com\r\nBcc: eve@example.com' }, 'body.email'],
    [{ email: 'ada@example.com,eve@example.com' }, 'body.email'],
    [{ email: `${'a'.repeat(250)}@example.com` }, 'body.email'],
    [{ email: ['a@example.com'] }, 'body.email'],
    [{}, 'body.email'],
    [{ email: 'n@example.com', name: '' }, 'body.name'],
    [{ email: 'n@example.com', name: ' ' }, 'body.name'],
    [{ email: 'n@example.com', name: 'a\u0001b' }, 'body.name'],
    [{ email: 'n@example.com', name: 'a\r\nBcc: eve@example.com' }, 'body.name'],
    [{ email: 'n@example.com', name: '\u202egro.elpmaxe' }, 'body.name'],
    [{ email: 'n@example.com', name: 'a\u200fb' }, 'body.name'],
    [{ email: 'n@example.com', name: '\u200b' }, 'body.name'],
    [{ email: 'n@example.com', name: 'x'.repeat(129) }, 'body.name'],
    [{ email: 'n@example.com', tier: 'platinum' }, 'body.tier'],
    [{ email: 'n@example.com', tier: 'No Tier' }, 'body.tier'],
    // What nobody may set on themselves or others.
    [{ email: 'n@example.com', role: 'owner' }, 'body.role'],
    [{ email: 'n@example.com', roles: ['owner'] }, 'body.roles'],
    [{ email: 'n@example.com', owner: true }, 'body.owner'],
    [{ email: 'n@example.com', id: UNKNOWN }, 'body.id'],
    [{ email: 'n@example.com', user_id: UNKNOWN }, 'body.user_id'],
    [{ email: 'n@example.com', version: 1 }, 'body.version'],
    [{ email: 'n@example.com', status: 'active' }, 'body.status'],
    [{ email: 'n@example.com', password: PASSWORD }, 'body.password'],
    [{ email: 'n@example.com', password_hash: 'x' }, 'body.password_hash'],
    [{ email: 'n@example.com', email_verified_at: '2026-01-01T00:00:00Z' }, 'body.email_verified_at'],
    [{ email: 'n@example.com', token_epoch: 7 }, 'body.token_epoch'],
  ])('refuses %j', async (body, location) => {
    const answer = await call('POST', '/api/v1/users', body);
    expect([answer.status, answer.body.code, locationsOf(answer)]).toEqual([400, 'invalid_request', [location]]);
  });

  it.each([{ email: 'ada\u0000@example.com' }, { email: 'n@example.com', name: 'a\u0000b' }])(
    'refuses NUL in %j',
    async (body) => {
      const answer = await call('POST', '/api/v1/users', body);
      expect([answer.status, answer.body.code]).toEqual([400, 'malformed_body']);
    },
  );

  it('keeps names as they are, formulas and all, and writes them into no header', async () => {
    for (const name of ['=1+1', '+49 30', '-Ada', '@ada', '"Ada", \\', 'Аня', '李', 'O’Brien <x@y>']) {
      const email = freshEmail();
      const { body } = await call('POST', '/api/v1/users', { email, name });
      expect(body.name).toBe(name);
      expect((await call('GET', at(body.user_id))).body.name).toBe(name);
      const { source } = await nextMailTo(core, smtp, email);
      expect(source.split('\r\n\r\n')[0]).not.toContain(name);
    }
  });

  it('gives roles at once, but none that the inviter does not hold', async () => {
    const roles = await core.database.query<{ id: string; name: string }>('SELECT id, name FROM roles');
    const idOf = (name: string) => roles.find((role) => role.name === name)?.id;
    const withRoles = (bearer: string, ...names: string[]) =>
      call('POST', '/api/v1/users', { email: freshEmail(), initial_roles: names.map(idOf) }, bearer);
    const made = await withRoles(adminKey, 'auditor', 'owner');
    expect(made.status).toBe(201);
    const { data } = (await call('GET', `${at(made.body.user_id)}/grants`)).body;
    expect(data.map(({ role_id }: Answer['body']) => role_id).sort()).toEqual([idOf('auditor'), idOf('owner')].sort());

    const inviter = (await core.createClient({ scopes: ['users:write'] })).apiKey;
    const giver = (await core.createClient({ scopes: ['users:write', 'grants:write'] })).apiKey;
    for (const [bearer, name] of [
      [inviter, 'viewer'],
      [giver, 'owner'],
    ]) {
      const refused = await withRoles(bearer as string, name as string);
      expect([refused.status, refused.body.code]).toEqual([403, 'permission_denied']);
    }
    const before = await core.database.query('SELECT FROM users');
    for (const initial_roles of [
      ['rol_00000000000000000000'],
      ['owner'],
      [idOf('owner'), idOf('owner')],
      'owner',
      null,
    ]) {
      const answer = await call('POST', '/api/v1/users', { email: freshEmail(), initial_roles });
      expect([answer.status, locationsOf(answer)]).toEqual([400, ['body.initial_roles']]);
    }
    expect(await core.database.query('SELECT FROM users')).toHaveLength(before.length);
    // Who is to be an administrator is invited again by administrators alone.
    const again = await call('POST', `${at(made.body.user_id)}/invitation`, undefined, giver);
    expect([again.status, again.body.code]).toEqual([403, 'permission_denied']);
    await call('DELETE', at(made.body.user_id));
  });

  it('sends another mail when asked; any of them is good until one was used', async () => {
    const { user, token } = await invite();
    const answer = await call('POST', `${at(user.user_id)}/invitation`);
    expect([answer.status, answer.body]).toEqual([202, { mail: 'promised' }]);
    const second = tokenIn(await nextMailTo(core, smtp, user.email));
    expect(second).not.toBe(token);
    expect((await post('/api/v1/auth/accept-invite', { token: second, password: PASSWORD })).status).toBe(200);
    expect((await post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(400);
    const late = await call('POST', `${at(user.user_id)}/invitation`);
    expect([late.status, late.body.code]).toEqual([409, 'conflict']);
    expect((await call('POST', `${at(UNKNOWN)}/invitation`)).status).toBe(404);
    expect((await call('POST', `${at('x')}/invitation`)).status).toBe(404);
  });

  it('takes a password that is refused as no use of the token', async () => {
    const { user, token } = await invite({ name: 'Grace Hopper' });
    for (const password of ['short', 'passwordpassword', 'GraceHopper-2026', 'x'.repeat(129), 'iloveyou1234'])
      expect(locationsOf(await post('/api/v1/auth/accept-invite', { token, password }))).toEqual(['body.password']);
    expect((await call('GET', at(user.user_id))).body.status).toBe('invited');
    expect((await post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(200);
  });

  it('lets one of a hundred at once accept', async () => {
    const { user, token } = await invite();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        post('/api/v1/auth/accept-invite', { token, password: `${PASSWORD} ${index}` }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers) if (status !== 200) expect(body.code).toBe('invalid_one_time_token');
    expect((await audited(user.user_id)).filter(({ action }) => action === 'user.accept_invite')).toHaveLength(1);
  });
});

describe('many things at once', () => {
  it('accepting and removing, resetting and suspending end one way or the other, and never in a deadlock', async () => {
    for (let round = 0; round < 15; round++) {
      const { user, token } = await invite();
      const [accepted, removed] = await Promise.all([
        post('/api/v1/auth/accept-invite', { token, password: PASSWORD }),
        call('DELETE', at(user.user_id)),
      ]);
      expect([200, 400]).toContain(accepted.status);
      expect(removed.status).toBe(204);

      const person = await buildUser(core.database);
      await post('/api/v1/auth/forgot-password', { email: person.email });
      const reset = tokenIn(await nextMailTo(core, smtp, person.email));
      const [set, suspended, asked] = await Promise.all([
        post('/api/v1/auth/reset-password', { token: reset, password: `${PASSWORD} 2` }),
        call('PATCH', at(person.id), { status: 'suspended' }),
        post('/api/v1/auth/forgot-password', { email: person.email }),
      ]);
      expect([204, 400]).toContain(set.status);
      expect([suspended.status, asked.status]).toEqual([200, 202]);
    }
  });

  it('five changes of one password are one', async () => {
    const { person, token } = await signedIn();
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        call(
          'POST',
          '/api/v1/me/password',
          { current_password: PASSWORD, new_password: `${PASSWORD} ${index}` },
          token,
        ),
      ),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    for (const { status } of answers) expect([204, 400, 409, 429]).toContain(status);
    const changes = (await audited(person.id)).filter(
      ({ action, outcome }) => action === 'user.password_change' && outcome === 'succeeded',
    );
    expect(changes).toHaveLength(1);
  });
});

describe('the doors without a credential', () => {
  it('are of the class login: five a minute for one address', async () => {
    const strict = await core.replica({ RATE_LIMITS: '' });
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

describe('the list of users', () => {
  it('pages, sorts and filters', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push((await buildUser(core.database, { name: `Listed ${i}` })).id);
    const [first] = made;
    await buildGrant(core.database, first ?? '', { role: 'auditor' });
    const query = async (text: string) => (await call('GET', `/api/v1/users?${text}`)).body;
    expect((await query('name=Listed%203')).data.map(({ user_id }: Answer['body']) => user_id)).toEqual([made[3]]);
    const { email } = (await call('GET', at(made[2] ?? ''))).body;
    expect((await query(`email=${email.toUpperCase()}`)).data).toHaveLength(1);
    expect((await query('role=auditor')).data.map(({ user_id }: Answer['body']) => user_id)).toEqual([first]);
    expect((await query('role=nothing')).data).toEqual([]);
    const gone = await buildUser(core.database, { status: 'suspended', name: 'Gone' });
    expect((await query('status=suspended&name=Gone')).data.map(({ user_id }: Answer['body']) => user_id)).toEqual([
      gone.id,
    ]);
    expect((await query('status=active&name=Gone')).data).toEqual([]);
    expect((await query('created_before=2020-01-01T00:00:00Z')).data).toEqual([]);
    for (const sort of ['created_at', '-created_at', 'name', '-name', 'email', '-email']) {
      const all = (await query(`limit=200&sort=${sort}`)).data.map(({ user_id }: Answer['body']) => user_id);
      const paged: string[] = [];
      for (let cursor = ''; ; ) {
        const page = await query(`limit=3&sort=${sort}${cursor && `&cursor=${cursor}`}`);
        paged.push(...page.data.map(({ user_id }: Answer['body']) => user_id));
        if (!page.has_more) break;
        cursor = page.next_cursor;
      }
      expect(paged).toEqual(all);
      expect(new Set(all).size).toBe(all.length);
    }
    const text = JSON.stringify(await query('limit=200'));
    expect(text).not.toMatch(/password_hash|email_key|token_epoch|version|\$2b\$/);
  });

  it('refuses what it does not know', async () => {
    for (const [text, location] of [
      ['owner=1', 'query.owner'],
      ['password_hash=x', 'query.password_hash'],
      ['sort=password_hash', 'query.sort'],
      ['status=gone', 'query.status'],
    ])
      expect(locationsOf(await call('GET', `/api/v1/users?${text}`))).toEqual([location]);
  });
});

describe('changing a user', () => {
  it('changes name and tier, and says what they were', async () => {
    const { id } = await buildUser(core.database, { name: 'Before' });
    const answer = await call('PATCH', at(id), { name: 'After', tier: 'free' });
    expect([answer.status, answer.body]).toEqual([200, expect.objectContaining({ name: 'After', tier: 'free' })]);
    expect((await call('PATCH', at(id), { name: 'After' })).status).toBe(200);
    expect(await audited(id)).toEqual([
      expect.objectContaining({
        action: 'user.update',
        details: {
          changed: ['name', 'tier'],
          name: 'After',
          previous_name: 'Before',
          tier: 'free',
          previous_tier: 'paid',
        },
      }),
    ]);
  });

  it.each([
    [{}, 'body'],
    [{ status: 'invited' }, 'body.status'],
    [{ status: null }, 'body.status'],
    [{ tier: 'platinum' }, 'body.tier'],
    [{ role: 'owner' }, 'body.role'],
    [{ name: 'x', email: 'x@example.com' }, 'body.email'],
    [{ name: 'x', token_epoch: 1 }, 'body.token_epoch'],
  ])('refuses %j', async (body, location) => {
    const { id } = await buildUser(core.database);
    expect(locationsOf(await call('PATCH', at(id), body))).toEqual([location]);
  });

  it('suspends and lets in again; their next request is refused everywhere', async () => {
    const { person, token } = await signedIn();
    const whoami = () => call('GET', '/api/v1/whoami', undefined, token);
    expect((await whoami()).status).toBe(200);
    expect((await call('PATCH', at(person.id), { status: 'suspended' })).body.status).toBe('suspended');
    expect((await whoami()).status).toBe(401);
    expect((await call('PATCH', at(person.id), { status: 'suspended' })).status).toBe(200);
    expect((await call('PATCH', at(person.id), { status: 'active' })).body.status).toBe('active');
    expect((await audited(person.id)).map(({ action }) => action).filter((each) => each.startsWith('user.'))).toEqual([
      'user.suspend',
      'user.restore',
    ]);
  });

  it('lets nobody in who has not accepted', async () => {
    const { user, token } = await invite();
    const early = await call('PATCH', at(user.user_id), { status: 'active' });
    expect([early.status, early.body.code]).toEqual([409, 'conflict']);
    await call('PATCH', at(user.user_id), { status: 'suspended' });
    expect((await post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(400);
    expect((await call('PATCH', at(user.user_id), { status: 'active' })).body.status).toBe('invited');
    expect((await post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(200);
  });

  it('is 404 for who is not there, whatever the id looks like', async () => {
    for (const id of [UNKNOWN, 'usr_', 'x', '%00', "'--", 'cn_live_000000000000']) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await call(method, at(id), method === 'PATCH' ? { name: 'x' } : undefined);
        expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
      }
    }
  });

  it('of an administrator is for administrators', async () => {
    const owner = await buildUser(core.database, { roles: ['owner'] });
    const { apiKey } = await core.createClient({ scopes: ['users:admin'] });
    for (const [method, body] of [
      ['PATCH', { status: 'suspended' }],
      ['PATCH', { name: 'x' }],
      ['DELETE', undefined],
    ]) {
      const answer = await call(method as string, at(owner.id), body, apiKey);
      expect([answer.status, answer.body.code]).toEqual([403, 'permission_denied']);
    }
    await buildUser(core.database, { roles: ['owner'] });
    expect((await call('PATCH', at(owner.id), { status: 'suspended' })).status).toBe(200);
  });
});

describe('removing a user', () => {
  it('removes them, and leaves the record', async () => {
    const { person, token } = await signedIn();
    expect((await call('DELETE', at(person.id))).status).toBe(204);
    expect((await call('GET', at(person.id))).status).toBe(404);
    expect((await call('GET', '/api/v1/whoami', undefined, token)).status).toBe(401);
    expect((await call('DELETE', at(person.id))).status).toBe(404);
    expect(await audited(person.id)).toContainEqual(
      expect.objectContaining({
        action: 'user.delete',
        details: { email: person.email, status: 'active', handed_over_to: null },
      }),
    );
  });

  it('hands over to another user, who has to be there', async () => {
    const { id } = await buildUser(core.database);
    const heir = await buildUser(core.database);
    const gone = await buildUser(core.database, { status: 'suspended' });
    for (const heirId of [id, UNKNOWN, 'x', gone.id])
      expect(locationsOf(await call('DELETE', `${at(id)}?hand_over_to=${heirId}`))).toEqual(['query.hand_over_to']);
    expect(locationsOf(await call('DELETE', `${at(id)}?handover=${heir.id}`))).toEqual(['query.handover']);
    expect(locationsOf(await call('DELETE', `${at(id)}?hand_over_to=a&hand_over_to=b`))).toEqual([
      'query.hand_over_to',
    ]);
    expect((await call('DELETE', `${at(id)}?hand_over_to=${heir.id}`)).status).toBe(204);
  });
});

describe('a forgotten password', () => {
  it('is set anew with the token of a mail, once, and ends what there was', async () => {
    const { person, token: accessToken } = await signedIn();
    const asked = await post('/api/v1/auth/forgot-password', { email: person.email.toUpperCase() });
    expect([asked.status, asked.body]).toEqual([202, { mail: 'promised' }]);
    const token = tokenIn(await nextMailTo(core, smtp, person.email));
    const password = 'four quiet lanterns below';
    expect(locationsOf(await post('/api/v1/auth/reset-password', { token, password: 'password1234' }))).toEqual([
      'body.password',
    ]);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => post('/api/v1/auth/reset-password', { token, password })),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ body }) => body?.code === 'invalid_one_time_token')).toHaveLength(99);
    expect((await call('GET', '/api/v1/whoami', undefined, accessToken)).status).toBe(401);
    const notice = await nextMailTo(core, smtp, person.email);
    expect(notice.source).toContain('was changed');
    expect(await audited(person.id)).toContainEqual(
      expect.objectContaining({ action: 'user.password_reset', actor_type: 'user', actor_id: person.id }),
    );
  });

  it('answers alike whoever asks for whom, and sends mail to nobody else', async () => {
    const active = await buildUser(core.database);
    const others = [
      'nobody@example.com',
      (await buildUser(core.database, { status: 'suspended' })).email,
      (await buildUser(core.database, { status: 'invited', password: null })).email,
    ];
    const answers: Answer[] = [];
    for (const email of [...others, active.email]) answers.push(await post('/api/v1/auth/forgot-password', { email }));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    await nextMailTo(core, smtp, active.email);
    for (const email of others) expect(smtp.taken.filter(({ to }) => to.includes(`<${email}>`))).toEqual([]);
    expect(locationsOf(await post('/api/v1/auth/forgot-password', { email: 'x' }))).toEqual(['body.email']);
  });

  it('fills nobody’s mailbox', async () => {
    const { id, email } = await buildUser(core.database);
    for (let i = 0; i < 5; i++) {
      await post('/api/v1/auth/forgot-password', { email });
      await nextMailTo(core, smtp, email);
    }
    await post('/api/v1/auth/forgot-password', { email });
    const other = await buildUser(core.database);
    await post('/api/v1/auth/forgot-password', { email: other.email });
    await nextMailTo(core, smtp, other.email);
    expect(smtp.taken.filter(({ to }) => to.includes(`<${email}>`))).toEqual([]);
    expect(await core.database.query('SELECT FROM one_time_tokens WHERE user_id = $1', [id])).toHaveLength(5);
  });

  it('refuses alike every token that is not good', async () => {
    const { id, email } = await buildUser(core.database);
    await post('/api/v1/auth/forgot-password', { email });
    const token = tokenIn(await nextMailTo(core, smtp, email));
    await post('/api/v1/auth/forgot-password', { email });
    const old = tokenIn(await nextMailTo(core, smtp, email));
    await core.database.query(`UPDATE one_time_tokens SET expires_at = now() WHERE token_hash = $1`, [
      Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(old))).toString('base64url'),
    ]);
    const tries = [old, `${token}x`, token.slice(0, -1), `ott_${'a'.repeat(43)}`, '', 'x', token.toLowerCase()];
    const answers = await Promise.all(
      tries.map((each) => post('/api/v1/auth/reset-password', { token: each, password: PASSWORD })),
    );
    // A token is good for one thing.
    answers.push(await post('/api/v1/auth/accept-invite', { token, password: PASSWORD }));
    answers.push(await post('/api/v1/auth/verify-email', { token }));
    const shown = answers.map(({ status, body }) => ({ status, ...body, request_id: '', instance: '' }));
    expect(new Set(shown.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(shown[0]).toMatchObject({ status: 400, code: 'invalid_one_time_token' });
    // It was sent to an address that is no longer theirs.
    await core.database.query(
      `UPDATE users SET email = 'other@example.com', email_key = 'other@example.com' WHERE id = $1`,
      [id],
    );
    expect((await post('/api/v1/auth/reset-password', { token, password: PASSWORD })).status).toBe(400);
  });
});

describe('one’s own password', () => {
  const change = (token: string, body: object) => call('POST', '/api/v1/me/password', body, token);

  it('is changed with the present one; this session goes on', async () => {
    const { person, token } = await signedIn();
    const elsewhere = await buildSession(core.database, person.id);
    const otherToken = await accessTokenOf(core, elsewhere);
    const new_password = 'seven brass umbrellas sing';
    const wrong = await change(token, { current_password: 'not it at all', new_password });
    expect([wrong.status, locationsOf(wrong)]).toEqual([400, ['body.current_password']]);
    const weak = await change(token, { current_password: PASSWORD, new_password: 'iloveyou1234' });
    expect(locationsOf(weak)).toEqual(['body.new_password']);
    expect((await change(token, { current_password: PASSWORD, new_password })).status).toBe(204);
    expect((await call('GET', '/api/v1/whoami', undefined, token)).status).toBe(200);
    expect((await call('GET', '/api/v1/whoami', undefined, otherToken)).status).toBe(401);
    expect((await change(token, { current_password: PASSWORD, new_password })).status).toBe(400);
    await nextMailTo(core, smtp, person.email);
    expect((await audited(person.id)).filter(({ action }) => action === 'user.password_change')).toEqual([
      expect.objectContaining({ outcome: 'failed' }),
      expect.objectContaining({ outcome: 'succeeded', actor_id: person.id }),
      expect.objectContaining({ outcome: 'failed' }),
    ]);
  });

  it('is not for keys, and takes 15 characters of an administrator', async () => {
    const { apiKey } = await core.createClient({ scopes: ['admin'] });
    const body = { current_password: PASSWORD, new_password: 'quiet-lanterns' };
    expect((await change(apiKey, body)).body.code).toBe('user_required');
    const { token } = await signedIn({ roles: ['owner'] });
    const answer = await change(token, body);
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringContaining('at least 15 characters')]);
  });
});

describe('one’s own address', () => {
  it('is another one once the token sent there came back', async () => {
    const { person, token } = await signedIn();
    const email = freshEmail();
    const ask = (body: object) => call('POST', '/api/v1/me/email', body, token);
    expect(locationsOf(await ask({ current_password: 'no', email }))).toEqual(['body.current_password']);
    expect((await ask({ current_password: PASSWORD, email })).status).toBe(202);
    const proof = tokenIn(await nextMailTo(core, smtp, email));
    expect((await call('GET', at(person.id))).body.email).toBe(person.email);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post('/api/v1/auth/verify-email', { token: proof })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await call('GET', at(person.id))).body).toMatchObject({ email, email_verified_at: expect.any(String) });
    expect((await nextMailTo(core, smtp, person.email)).source).toContain('another e-mail address');

    const other = await buildUser(core.database);
    await ask({ current_password: PASSWORD, email: other.email });
    const taken = await post('/api/v1/auth/verify-email', {
      token: tokenIn(await nextMailTo(core, smtp, other.email)),
    });
    expect([taken.status, taken.body.code]).toEqual([409, 'conflict']);
    // The one there is can be proved, too.
    await core.database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [person.id]);
    await ask({ current_password: PASSWORD, email });
    const again = await post('/api/v1/auth/verify-email', { token: tokenIn(await nextMailTo(core, smtp, email)) });
    expect([again.status, again.body.email_verified_at]).toEqual([200, expect.any(String)]);
  });
});
