import { type Answer, locationsOf } from '../support/http-call.js';
import { tokenIn } from '../support/mails.js';
import { PASSWORD } from '../support/people.js';
import { type PeopleApp, startPeopleApp } from '../support/people-app.js';

const UNKNOWN = 'usr_00000000000000000000';

let app: PeopleApp;

beforeAll(async () => {
  app = await startPeopleApp();
});
afterAll(() => app?.stop());

const at = (id: string) => `/api/v1/users/${id}`;

describe('inviting somebody', () => {
  it('makes a user and sends a mail; with its token they set a password and are active', async () => {
    const email = 'Ada.Lovelace@example.com';
    const made = await app.call('POST', '/api/v1/users', { email, name: 'Ada', tier: 'free' });
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
    const mail = await app.mailTo(email);
    expect(mail.source).toContain('https://gateway.example.com/api/v1/auth/accept-invite');
    expect(mail.source).toContain('Hello Ada,');
    expect(await app.core.database.query('SELECT * FROM mail_outbox')).toEqual([]);

    const token = tokenIn(mail);
    const stored = JSON.stringify(await app.core.database.query('SELECT * FROM one_time_tokens'));
    expect(stored).not.toContain(token);
    const accepted = await app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD, name: 'Ada L.' });
    expect([accepted.status, accepted.body]).toEqual([
      200,
      expect.objectContaining({ user_id: made.body.user_id, name: 'Ada L.', status: 'active' }),
    ]);
    expect(accepted.body.email_verified_at).not.toBeNull();
    expect((await app.audited(made.body.user_id)).map(({ action, actor_type }) => [action, actor_type])).toEqual([
      ['user.create', 'client'],
      ['user.invite', 'client'],
      ['user.accept_invite', 'user'],
    ]);

    const again = await app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD });
    expect([again.status, again.body.code]).toEqual([400, 'invalid_one_time_token']);
  });

  it('refuses a second user with the address in another spelling', async () => {
    const email = app.freshEmail();
    await app.call('POST', '/api/v1/users', { email });
    for (const spelling of [email, email.toUpperCase(), email.replace('person', 'ｐerson')]) {
      const answer = await app.call('POST', '/api/v1/users', { email: spelling });
      expect([answer.status, answer.body.code]).toEqual([409, 'conflict']);
    }
    const many = await Promise.all(
      Array.from({ length: 20 }, () => app.call('POST', '/api/v1/users', { email: 'twin@example.com' })),
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
    const answer = await app.call('POST', '/api/v1/users', body);
    expect([answer.status, answer.body.code, locationsOf(answer)]).toEqual([400, 'invalid_request', [location]]);
  });

  it.each([{ email: 'ada\u0000@example.com' }, { email: 'n@example.com', name: 'a\u0000b' }])(
    'refuses NUL in %j',
    async (body) => {
      const answer = await app.call('POST', '/api/v1/users', body);
      expect([answer.status, answer.body.code]).toEqual([400, 'malformed_body']);
    },
  );

  it('keeps names as they are, formulas and all, and writes them into no header', async () => {
    for (const name of ['=1+1', '+49 30', '-Ada', '@ada', '"Ada", \\', 'Аня', '李', 'O’Brien <x@y>']) {
      const email = app.freshEmail();
      const { body } = await app.call('POST', '/api/v1/users', { email, name });
      expect(body.name).toBe(name);
      expect((await app.call('GET', at(body.user_id))).body.name).toBe(name);
      const { source } = await app.mailTo(email);
      expect(source.split('\r\n\r\n')[0]).not.toContain(name);
    }
  });

  it('gives roles at once, but none that the inviter does not hold', async () => {
    const roles = await app.core.database.query<{ id: string; name: string }>('SELECT id, name FROM roles');
    const idOf = (name: string) => roles.find((role) => role.name === name)?.id;
    const withRoles = (bearer: string, ...names: string[]) =>
      app.call('POST', '/api/v1/users', { email: app.freshEmail(), initial_roles: names.map(idOf) }, bearer);
    const made = await withRoles(app.adminKey, 'auditor', 'owner');
    expect(made.status).toBe(201);
    const { data } = (await app.call('GET', `${at(made.body.user_id)}/grants`)).body;
    expect(data.map(({ role_id }: Answer['body']) => role_id).sort()).toEqual([idOf('auditor'), idOf('owner')].sort());

    const inviter = (await app.core.createClient({ scopes: ['users:write'] })).apiKey;
    const giver = (await app.core.createClient({ scopes: ['users:write', 'grants:write'] })).apiKey;
    for (const [bearer, name] of [
      [inviter, 'viewer'],
      [giver, 'owner'],
    ]) {
      const refused = await withRoles(bearer as string, name as string);
      expect([refused.status, refused.body.code]).toEqual([403, 'permission_denied']);
    }
    const before = await app.core.database.query('SELECT FROM users');
    for (const initial_roles of [
      ['rol_00000000000000000000'],
      ['owner'],
      [idOf('owner'), idOf('owner')],
      'owner',
      null,
    ]) {
      const answer = await app.call('POST', '/api/v1/users', { email: app.freshEmail(), initial_roles });
      expect([answer.status, locationsOf(answer)]).toEqual([400, ['body.initial_roles']]);
    }
    expect(await app.core.database.query('SELECT FROM users')).toHaveLength(before.length);
    // Who is to be an administrator is invited again by administrators alone.
    const again = await app.call('POST', `${at(made.body.user_id)}/invitation`, undefined, giver);
    expect([again.status, again.body.code]).toEqual([403, 'permission_denied']);
    await app.call('DELETE', at(made.body.user_id));
  });

  it('sends another mail when asked; any of them is good until one was used', async () => {
    const { user, token } = await app.invite();
    const answer = await app.call('POST', `${at(user.user_id)}/invitation`);
    expect([answer.status, answer.body]).toEqual([202, { mail: 'promised' }]);
    const second = await app.tokenTo(user.email);
    expect(second).not.toBe(token);
    expect((await app.post('/api/v1/auth/accept-invite', { token: second, password: PASSWORD })).status).toBe(200);
    expect((await app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(400);
    const late = await app.call('POST', `${at(user.user_id)}/invitation`);
    expect([late.status, late.body.code]).toEqual([409, 'conflict']);
    expect((await app.call('POST', `${at(UNKNOWN)}/invitation`)).status).toBe(404);
    expect((await app.call('POST', `${at('x')}/invitation`)).status).toBe(404);
  });

  it('takes a password that is refused as no use of the token', async () => {
    const { user, token } = await app.invite({ name: 'Grace Hopper' });
    for (const password of ['short', 'passwordpassword', 'GraceHopper-2026', 'x'.repeat(129), 'iloveyou1234'])
      expect(locationsOf(await app.post('/api/v1/auth/accept-invite', { token, password }))).toEqual(['body.password']);
    expect((await app.call('GET', at(user.user_id))).body.status).toBe('invited');
    expect((await app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(200);
  });

  it('lets one of a hundred at once accept', async () => {
    const { user, token } = await app.invite();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        app.post('/api/v1/auth/accept-invite', { token, password: `${PASSWORD} ${index}` }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers) if (status !== 200) expect(body.code).toBe('invalid_one_time_token');
    expect((await app.audited(user.user_id)).filter(({ action }) => action === 'user.accept_invite')).toHaveLength(1);
  });
});
