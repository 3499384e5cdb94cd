import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { eventually } from '../support/eventually.js';
import { buildUser, PASSWORD } from '../support/people.js';
import { type PeopleApp, startPeopleApp } from '../support/people-app.js';
import { type ApiAnswer, ask, type SignedIn, signedIn } from '../support/signed-in.js';

/** What a spreadsheet would run, a terminal obey, a line end with, or an eye misread. */
const ODD: Readonly<Record<string, string>> = {
  'an equals sign first': `=cmd|' /C calc'!A0`,
  'a plus first': '+1+1',
  'a minus first': '-2+3',
  'an at first': '@SUM(1)',
  'a tab first': '\t=1+1',
  'a line feed in it': 'a\nSet-Cookie: x=1',
  'a carriage return in it': 'a\r\nBcc: all@example.com',
  'an escape sequence': 'a\u001b[2Jb',
  'a NUL': 'a\u0000b',
  'half of a surrogate pair': 'a\ud800b',
  'the other half': 'a\udc00',
  'an override of the direction': 'a\u202etxt.exe',
  'an isolate': '\u2066admin\u2069',
  'a right-to-left mark': '\u200fadmin',
  'a zero-width joiner': 'ad\u200dmin',
  'a line separator': 'a\u2028b',
  'a byte order mark': '\ufeffadmin',
  'combining marks': `Z${'\u0334'.repeat(60)}`,
  'letters of another script': 'Аdа',
  emoji: '👩‍👩‍👧‍👦',
  markup: '<img src=x onerror=alert(1)>',
  SQL: `'; DROP TABLE users; --`,
  'a template': '#{process.exit(1)} {{7*7}} %s %n',
};
const NOTHING_VISIBLE = ['', ' ', '\u3000', '\u200b'];
const NEVER_TAKEN = ['a NUL', 'half of a surrogate pair', 'the other half'];
const LINE_BREAKERS = ['a line feed in it', 'a carriage return in it', 'an escape sequence', 'a tab first'];

let people: PeopleApp;
let person: SignedIn;
let last = 0;

/** A field that takes a text: how it is sent, and how it is read back. */
interface Field {
  readonly isName: boolean;
  send(text: string): Promise<ApiAnswer>;
  /** The texts that are shown for what was made. */
  shown(made: ApiAnswer['body']): Promise<unknown[]>;
}

const call = (method: string, path: string, body?: unknown, bearer = people.adminKey) =>
  ask(people.core.url, bearer, method, `/api/v1/${path}`, body);
const firstOf = async (path: string, id: string, idName: string, field: string, bearer?: string) => {
  const { body } = await call('GET', `${path}?limit=200`, undefined, bearer);
  return body.data.find((each: Record<string, string>) => each[idName] === id)?.[field];
};

const FIELDS: Readonly<Record<string, Field>> = {
  'name of a user': {
    isName: true,
    send: (name) => call('POST', 'users', { email: `odd${++last}@example.com`, name }),
    shown: async ({ user_id: id }) => [
      (await call('GET', `users/${id}`)).body.name,
      await firstOf('users', id, 'user_id', 'name'),
    ],
  },
  'name of a user, changed': {
    isName: true,
    send: (name) => call('PATCH', `users/${person.id}`, { name }),
    shown: async () => [
      (await call('GET', `users/${person.id}`)).body.name,
      (await call('GET', 'me', undefined, person.token)).body.user.name,
    ],
  },
  'name of a key': {
    isName: true,
    send: (name) => call('POST', 'api-keys', { name }, person.token),
    shown: async ({ client_id: id }) => [
      (await call('GET', `api-keys/${id}`, undefined, person.token)).body.name,
      await firstOf('api-keys', id, 'client_id', 'name', person.token),
    ],
  },
  'name of a client': {
    isName: true,
    send: (name) => call('POST', 'clients', { name }),
    shown: async ({ client_id: id }) => [(await call('GET', `clients/${id}`)).body.name],
  },
  'name of a role': {
    isName: true,
    send: (name) => call('POST', 'roles', { name }),
    shown: async ({ id }) => [(await call('GET', `roles/${id}`)).body.name],
  },
  'description of a role': {
    isName: false,
    send: (description) => call('POST', 'roles', { name: `odd-${++last}`, description }),
    shown: async ({ id }) => [
      (await call('GET', `roles/${id}`)).body.description,
      await firstOf('roles', id, 'id', 'description'),
    ],
  },
  'name of a permission': {
    isName: true,
    send: (name) => call('POST', 'permissions', { name }),
    shown: async ({ name }) => [(await call('GET', `permissions/${encodeURIComponent(name)}`)).body.name],
  },
  'description of a permission': {
    isName: false,
    send: (description) => call('POST', 'permissions', { name: `odd${++last}:read`, description }),
    shown: async ({ name }) => [(await call('GET', `permissions/${name}`)).body.description],
  },
  'reason of a grant': {
    isName: false,
    send: (reason) => call('POST', `users/${person.id}/grants`, { role_id: 'rol_00000000000000viewer', reason }),
    shown: async ({ id }) => [
      (await call('GET', `users/${person.id}/grants/${id}`)).body.reason,
      await firstOf(`users/${person.id}/grants`, id, 'id', 'reason'),
    ],
  },
  'reason of a limit': {
    isName: false,
    send: (reason) => call('PUT', `rate-limits/overrides/users/${person.id}/query`, { windows: [], reason }),
    shown: async () => [(await call('GET', `rate-limits/overrides/users/${person.id}/query`)).body.reason],
  },
  'reason of a rule about addresses': {
    isName: false,
    send: (reason) => call('POST', 'ip-rules', { cidr: `2001:db8:${++last}::/48`, action: 'block', reason }),
    shown: async ({ id }) => [(await call('GET', `ip-rules/${id}`)).body.reason],
  },
};

beforeAll(async () => {
  people = await startPeopleApp();
  person = await signedIn(people.core, { roles: ['owner'] });
});
afterAll(() => people?.stop());

describe.each(Object.entries(FIELDS))('the %s', (_name, field) => {
  it.each(Object.entries(ODD))('with %s is refused by name, or kept and shown as it is', async (what, text) => {
    const sent = await field.send(text);
    if (sent.status >= 300) {
      expect([sent.status, ['invalid_request', 'malformed_body'].includes(sent.body.code)]).toEqual([400, true]);
      expect(sent.text).not.toContain(JSON.stringify(text).slice(1, -1));
      return;
    }
    expect([...NEVER_TAKEN, ...LINE_BREAKERS]).not.toContain(what);
    for (const shown of await field.shown(sent.body)) expect(shown).toBe(text);
  });

  it('of a megabyte, or so deep that a reader might fall, is refused at once', async () => {
    for (const text of ['x'.repeat(1_000_000), '[', '{"a":'].map((each) =>
      each.length < 9 ? each.repeat(9_000) : each,
    )) {
      const started = performance.now();
      expect([400, 413]).toContain((await field.send(text)).status);
      expect(performance.now() - started).toBeLessThan(1_000);
    }
  });

  it('is none when nothing of it can be seen', async () => {
    if (field.isName)
      for (const text of NOTHING_VISIBLE) expect([text, (await field.send(text)).status]).toEqual([text, 400]);
  });
});

describe('an e-mail address', () => {
  it.each([
    ...Object.values(ODD),
    ...Object.values(ODD).map((text) => `${text}@example.com`),
    'a@example.com\r\nBcc: b@example.com',
    'a@example.com, b@example.com',
    '"a b"@example.com',
    'Ada <a@example.com>',
    'a@[127.0.0.1]',
    'a@exa\u202emple.com',
    'a@example.com\u0000',
    `${'a'.repeat(250)}@example.com`,
    `a@${'b.'.repeat(200)}com`,
  ])('%j gets no mail but to itself', async (email) => {
    const made = await call('POST', 'users', { email });
    if (made.status === 400) return;
    expect([made.status, made.body.email]).toEqual([201, email]);
    const mail = await people.mailTo(email);
    expect(mail.to).toEqual([expect.stringContaining(`<${email}>`)]);
    const [head = ''] = mail.source.split('\r\n\r\n');
    expect(head).not.toMatch(/^(?:bcc|cc|set-cookie):/im);
  });
});

describe('what is looked for', () => {
  const LISTS = [
    ['users', ['email', 'role', 'status', 'name']],
    ['users/USER/grants', ['effect', 'role_id', 'scope', 'expires_before']],
    ['users/USER/sessions', ['status', 'kind', 'country', 'created_after']],
    ['roles', ['name', 'builtin', 'permission', 'parent_id']],
    ['permissions', ['name', 'custom']],
    ['api-keys', ['name', 'status', 'search']],
    ['sessions', ['status', 'kind', 'country']],
    ['session-analytics', ['from', 'to']],
    ['access/who-can', ['permission', 'resource']],
    ['audit-logs', ['action', 'actor_id', 'subject_id', 'subject_type', 'outcome', 'user_id', 'request_id']],
  ] as const;

  it.each(LISTS)(
    'in %s is found, not found, or refused by name',
    async (path, names) => {
      for (const name of [...names, 'sort', 'cursor', 'limit', 'odd'])
        for (const text of [...Object.values(ODD), 'x'.repeat(5_000), '', '%', '_', '\\']) {
          const query = `${name}=${encodeURIComponent(text.toWellFormed())}`;
          const answer = await call('GET', `${path.replace('USER', person.id)}?${query}`, undefined, person.token);
          expect([query, [200, 400].includes(answer.status)]).toEqual([query, true]);
        }
    },
    60_000,
  );

  it('in a path names nobody', async () => {
    const paths = ['users/X', 'users/X/grants', 'users/X/sessions', 'users/USER/grants/X', 'users/USER/sessions/X']
      .concat(['roles/X', 'permissions/X', 'api-keys/X', 'sessions/X', 'api-keys/X/secrets/X', 'clients/X/usage'])
      .concat(['users/X/tokens/revoke-all', 'clients/X/tokens/revoke-all', 'users/X/invitation']);
    for (const path of paths)
      for (const text of [...Object.values(ODD), 'x'.repeat(5_000), '%', '__proto__', 'constructor']) {
        const at = path.replace('USER', person.id).replaceAll('X', encodeURIComponent(text.toWellFormed()));
        const method = /revoke-all|invitation/.test(path) ? 'POST' : path === 'clients/X/usage' ? 'GET' : 'DELETE';
        const { status } = await call(method, at, undefined, person.token);
        expect([method, at, [400, 404, 405, 409, 414].includes(status)]).toEqual([method, at, true]);
      }
  }, 60_000);
});

describe('the record', () => {
  it('holds what was kept, in JSON that every reader takes', async () => {
    let cursor = '';
    let count = 0;
    do {
      const { status, body } = await call('GET', `audit-logs?limit=200${cursor && `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      count += body.data.length;
      cursor = body.next_cursor ?? '';
      expect(JSON.stringify(body.data)).not.toMatch(/\\u0000|\\ud[89a-f]/);
    } while (cursor !== '');
    expect(count).toBeGreaterThan(100);
  });

  it('as a table has no cell that a spreadsheet would run', async () => {
    const models = Object.values(ODD).filter((each) => each.isWellFormed() && !each.includes('\u0000'));
    for (const model of models) {
      const body = { model, messages: [{ role: 'user', content: 'x' }] };
      expect((await ask(people.core.url, people.adminKey, 'POST', '/v1/chat/completions', body)).status).toBe(404);
    }
    await people.core.database.query(
      `UPDATE api_logs SET model = '=1+1', error_code = '@x', route = '-x', provider = '+x'
       WHERE id = (SELECT id FROM api_logs LIMIT 1)`,
    );
    await eventually(async () => (await csv()).split('\r\n').length > models.length);
    const cells = (await csv()).split(/,|\r\n/).map((cell) => cell.replace(/^"/, ''));
    expect(cells).toEqual(expect.arrayContaining([`'=1+1`, `'@x`, `'-x`, `'+x`]));
    expect(cells.filter((cell) => /^[=+\-@\t\r\n]/.test(cell))).toEqual([]);
  });

  const csv = async () => (await call('GET', 'api-logs/export?format=csv')).text;
});

describe('the device of a session', () => {
  it.each(Object.entries(ODD))('that calls itself by %s is shown by letters alone', async (_what, odd) => {
    const { email } = await buildUser(people.core.database);
    // As bytes that may stand in a header at all (RFC 9110, 5.5).
    const agent = Buffer.from(`Firefox/140 ${odd}`)
      .toString('latin1')
      .replace(/[^\t\x20-\x7e\x80-\xff]/g, '');
    const headers = { 'content-type': 'application/json', 'user-agent': agent };
    const login = request(`${people.core.url}/api/v1/auth/login`, { method: 'POST', headers });
    login.end(JSON.stringify({ email, password: PASSWORD }));
    const [response] = await once(login, 'response');
    const { access_token: token } = JSON.parse(await text(response));
    const { status, body } = await call('GET', 'sessions', undefined, token);
    expect([status, body.data[0].device]).toEqual([200, 'Firefox 140']);
  });
});

describe('whoever is not signed in', () => {
  it.each(Object.entries(ODD))('is refused by the book for a text with %s', async (_what, odd) => {
    const token = `ott_${odd}`;
    const bodies: [path: string, body: object][] = [
      ['login', { email: odd, password: PASSWORD }],
      ['login', { email: `${odd}@example.com`, password: PASSWORD }],
      ['login', { email: person.email, password: odd }],
      ['refresh', { refresh_token: odd }],
      ['forgot-password', { email: `${odd}@example.com` }],
      ['accept-invite', { token, password: PASSWORD, name: odd }],
      ['reset-password', { token, password: odd }],
      ['verify-email', { token }],
    ];
    for (const [path, body] of bodies) {
      const { status } = await people.post(`/api/v1/auth/${path}`, body);
      expect([path, body, [202, 400, 401, 429].includes(status)]).toEqual([path, body, true]);
    }
  });
});
