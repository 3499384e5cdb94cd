import type { TestApp } from '../support/app.js';
import { attemptSignIn, buildUser, PASSWORD, type Person } from '../support/people.js';
import { fromElsewhere, type SignInFleet, startSignInFleet } from '../support/sign-in-fleet.js';

let fleet: SignInFleet;
let app: TestApp;
let person: Person;

beforeAll(async () => {
  fleet = await startSignInFleet(1);
  app = fleet.apps[0];
  person = await buildUser(app.database);
});
beforeEach(() => fleet.hashes());
afterAll(() => fleet?.stop());

interface Problem {
  readonly code: string;
  readonly errors?: readonly { readonly location: string; readonly message: string }[];
}

async function login(body: string | Buffer, headers: Record<string, string> = {}) {
  const started = performance.now();
  const response = await fetch(`${app.url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...fromElsewhere(), ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  const problem = (await response.json()) as Problem;
  return { status: response.status, problem, tookMs: performance.now() - started };
}

const withFields = (fields: object) => JSON.stringify({ email: person.email, password: PASSWORD, ...fields });

describe('the body of a sign-in', () => {
  it.each([
    ['role', { role: 'owner' }],
    ['roles', { roles: ['owner'] }],
    ['user_id', { user_id: 'usr_00000000000000000000' }],
    ['session_id', { session_id: 'ses_00000000000000000000' }],
    ['scopes', { scopes: ['admin'] }],
    ['grants', { grants: [{}] }],
    ['mfa', { mfa: true }],
    ['status', { status: 'active' }],
    ['toString', { toString: 1 }],
    ['remember', { remember: true }],
  ])('has no field %s', async (name, fields) => {
    const { status, problem } = await login(withFields(fields));
    expect([status, problem.code]).toEqual([400, 'invalid_request']);
    expect(problem.errors).toEqual([{ location: `body.${name}`, message: 'is not a field of this request' }]);
    expect(fleet.hashes()).toBe(0);
  });

  it.each([
    ['email', { email: undefined }],
    ['email', { email: '' }],
    ['email', { email: null }],
    ['email', { email: 5 }],
    ['email', { email: ['a@b.c'] }],
    ['email', { email: { $ne: '' } }],
    ['email', { email: `${'a'.repeat(320)}@b.c` }],
    ['password', { password: undefined }],
    ['password', { password: '' }],
    ['password', { password: null }],
    ['password', { password: true }],
    ['password', { password: [PASSWORD] }],
    ['password', { password: { $gt: '' } }],
    ['password', { password: 'x'.repeat(1_025) }],
    ['remember_me', { remember_me: 'true' }],
    ['remember_me', { remember_me: null }],
    ['mode', { mode: 'basic' }],
    ['mode', { mode: null }],
    ['mode', { mode: ['cookie'] }],
  ])('is refused for its %s: %j', async (name, fields) => {
    const { status, problem } = await login(withFields(fields));
    expect([status, problem.code]).toEqual([400, 'invalid_request']);
    expect(problem.errors?.map(({ location }) => location)).toContain(`body.${name}`);
    expect(JSON.stringify(problem)).not.toContain(PASSWORD);
    expect(fleet.hashes()).toBe(0);
  });

  it.each([
    ['NUL in the password', `{"email":"a@b.c","password":"x\\u0000y"}`],
    ['NUL in the address', `{"email":"a\\u0000@b.c","password":"xy"}`],
    ['a field twice', `{"email":"a@b.c","password":"x","password":"y"}`],
    ['a prototype', `{"email":"a@b.c","password":"x","__proto__":{"mode":"cookie"}}`],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['no JSON', 'email=a'],
  ])('is refused for %s', async (_, body) => {
    const { status, problem } = await login(body);
    expect([status, problem.code]).toEqual([400, 'malformed_body']);
    expect(fleet.hashes()).toBe(0);
  });

  it.each([
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"x"'],
    ['nothing', ''],
  ])('is no %s', async (_, body) => {
    const { status, problem } = await login(body);
    expect([status, problem.code]).toEqual([400, 'invalid_request']);
  });
});

describe('a password of a megabyte', () => {
  const huge = JSON.stringify({ email: 'a@b.c', password: 'x'.repeat(1_048_576) });

  it('is refused in less than 100 ms, without hashing', async () => {
    await login(withFields({ password: 'warm' }));
    fleet.hashes();
    const times: number[] = [];
    for (let index = 0; index < 9; index += 1) {
      const { status, problem, tookMs } = await login(huge);
      expect([status, problem.code]).toEqual([413, 'payload_too_large']);
      times.push(tookMs);
    }
    expect(fleet.hashes()).toBe(0);
    expect(times.sort((a, b) => a - b)[4]).toBeLessThan(100);
  });

  it('is refused too when it comes without a length', async () => {
    const chunks = Array.from({ length: 64 }, (_, index) => huge.slice(index * 16_384, (index + 1) * 16_384));
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(Buffer.from(chunk));
      },
    });
    const outcome = await fetch(`${app.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...fromElsewhere() },
      body: stream,
      duplex: 'half',
    } as RequestInit).then(
      ({ status }) => status,
      () => 413,
    );
    expect(outcome).toBe(413);
    expect(fleet.hashes()).toBe(0);
  });
});

describe('passwords in Unicode', () => {
  it.each([
    ['composed one way, typed another', 'Ångström Ångström Å', 'A\u030angström A\u030angström A\u030a'],
    ['with blanks at its ends', '  blanks at both ends  ', '  blanks at both ends  '],
    ['of emoji', '🐝🐝🐝🐝🐝🐝🐝🐝🐝🐝🐝🐝', '🐝🐝🐝🐝🐝🐝🐝🐝🐝🐝🐝🐝'],
    ['right to left', '\u202eabcdefghijklm\u202c', '\u202eabcdefghijklm\u202c'],
    ['as a spreadsheet formula', `=cmd|' /C calc'!A0 + - @`, `=cmd|' /C calc'!A0 + - @`],
    ['of 128 characters in the longest spelling', '\u{1f600}'.repeat(128), '\u{1f600}'.repeat(128)],
  ])('%s', async (_, password, typed) => {
    const each = await buildUser(app.database, { password });
    expect((await attemptSignIn(app, each, { password: typed, headers: fromElsewhere() })).status).toBe(200);
    const cut = { password: typed.slice(0, -1), headers: fromElsewhere() };
    expect((await attemptSignIn(app, each, cut)).status).toBe(401);
  });

  it('is counted against one account, however its address is spelt', async () => {
    const each = await buildUser(app.database, { email: `straße.${Date.now()}@example.test` });
    const spellings = [
      each.email,
      each.email.toUpperCase().replace('STRASSE', 'STRAßE'),
      each.email.replace('s', '\uff53'),
    ];
    const statuses = [];
    for (const email of [...spellings, each.email]) {
      const response = await attemptSignIn(app, { email, password: 'wrong' }, { headers: fromElsewhere() });
      statuses.push(response.status);
    }
    expect(statuses).toEqual([401, 401, 401, 429]);
  });
});

describe('the class login', () => {
  it('is five a minute and address, and says so', async () => {
    const replica = await app.replica({ RATE_LIMITS: 'login=5/60,general.paid=1000000/3600' });
    try {
      const headers = fromElsewhere();
      const statuses: number[] = [];
      for (let index = 0; index < 5; index += 1)
        statuses.push((await attemptSignIn(replica, person, { headers })).status);
      expect(statuses).toEqual([200, 200, 200, 200, 200]);
      const refused = await attemptSignIn(replica, person, { headers });
      expect([refused.status, ((await refused.json()) as Problem).code]).toEqual([429, 'rate_limited']);
      expect(refused.headers.get('x-ratelimit-limit')).toBe('5');
      expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
      expect(refused.headers.get('ratelimit-policy')).toBe('"login";q=5;w=60');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await attemptSignIn(replica, person, { headers: fromElsewhere() })).status).toBe(200);
    } finally {
      await replica.stop();
    }
  });
});
