import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AUDIT_ACTIONS, type AuditAction } from '../../src/records/audit/audit-actions.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type Answer, httpCall } from '../support/http-call.js';
import { attemptSignIn, buildUser, PASSWORD, type Person, type SignedInPerson, signIn } from '../support/people.js';

const ROOT = join(import.meta.dirname, '../..');
const NEW_PASSWORD = 'seventeen amber tortoises-9';

let core: TestApp;
let mails: string;
let ada: SignedInPerson;

beforeAll(async () => {
  mails = mkdtempSync(join(tmpdir(), 'core-nest-mails-'));
  core = await startApp({ settings: { MAIL_URL: `folder:${mails}`, RATE_LIMITS: 'login=10000/60' } });
  ada = await signIn(core, await buildUser(core.database, { name: 'Ada', roles: ['owner'] }));
});
afterAll(async () => {
  await core.stop();
  rmSync(mails, { recursive: true });
});

async function call(method: string, path: string, body?: object, bearer = ada.accessToken): Promise<Answer> {
  const answer = await httpCall(core.url, method, `/api/v1${path}`, { body, bearer });
  if (answer.status >= 300 && answer.status !== 403) throw new Error(`${method} ${path}: ${answer.text}`);
  return answer;
}

const somebody = () => buildUser(core.database, { name: 'Somebody' });
const signedIn = async (person?: Person) => signIn(core, person ?? (await somebody()));
const makeClient = async () => (await call('POST', '/clients', { name: 'billing' })).body;
const makeRole = async () =>
  (await call('POST', '/roles', { name: `role${performance.now()}`.replace('.', '_'), permissions: ['clients:read'] }))
    .body.id;
const makePermission = async () => {
  const name = `reports${Math.trunc(performance.now())}:read`;
  await call('POST', '/permissions', { name });
  return name;
};
const makeGrant = async () => {
  const { id } = await somebody();
  return `/users/${id}/grants/${(await call('POST', `/users/${id}/grants`, { role_id: await makeRole() })).body.id}`;
};
const makeRule = async (address: string) =>
  `/ip-rules/${(await call('POST', '/ip-rules', { cidr: address, action: 'block' })).body.id}`;

/** The token of the newest mail to an address. */
async function mailedTo(email: string): Promise<string> {
  let token: string | undefined;
  await eventually(() => {
    const texts = readdirSync(mails)
      .sort()
      .map((file) => readFileSync(join(mails, file), 'utf8'));
    const newest = texts.filter((text) => text.includes(`To: ${email}`)).at(-1);
    token = /ott_[\w-]{43}/.exec(newest ?? '')?.[0];
    return token !== undefined;
  });
  return token ?? '';
}

async function invite(): Promise<string> {
  const email = `invited.${performance.now()}@example.test`;
  await call('POST', '/users', { email, name: 'Invited' });
  return email;
}

/** What does it over HTTP; or, where it takes time, days or a crash, the test that finds the row. */
const EMITTED: Readonly<Record<AuditAction, (() => Promise<unknown>) | string>> = {
  'client.create': makeClient,
  'client.update': async () => call('PATCH', `/clients/${(await makeClient()).client_id}`, { name: 'b' }),
  'client.revoke': async () => call('DELETE', `/clients/${(await makeClient()).client_id}`),
  'client.hand_over': async () =>
    call('POST', `/clients/${(await makeClient()).client_id}/owner`, { user_id: (await somebody()).id }),
  'client.expires_soon': 'test/integration/expiry-warnings.spec.ts',
  'secret.create': async () =>
    call('POST', `/clients/${(await makeClient()).client_id}/secrets`, { expire_previous_in_seconds: 60 }),
  'secret.revoke': async () => {
    const { client_id: id } = await makeClient();
    await call('POST', `/clients/${id}/secrets`, { expire_previous_in_seconds: 60 });
    const [secret] = (await call('GET', `/clients/${id}`)).body.secrets;
    await call('DELETE', `/clients/${id}/secrets/${secret.id}`);
  },
  'secret.expire': 'test/integration/secret-ends.spec.ts',
  'secret.expires_soon': 'test/integration/expiry-warnings.spec.ts',
  'secret.leaked': async () => call('POST', '/leaked-keys', { api_key: (await makeClient()).api_key }),
  'rate_limit.set': () =>
    call('PUT', '/rate-limits/policies/general/free', { windows: [{ quota: 99_999, window_seconds: 60 }] }),
  'rate_limit.remove': async () => {
    await call('PUT', '/rate-limits/policies/general/free', { windows: [{ quota: 99_999, window_seconds: 60 }] });
    await call('DELETE', '/rate-limits/policies/general/free');
  },
  'ip_rule.create': () => makeRule('203.0.113.1'),
  'ip_rule.update': async () => call('PATCH', await makeRule('203.0.113.2'), { action: 'allow' }),
  'ip_rule.remove': async () => call('DELETE', await makeRule('203.0.113.3')),
  'signing_key.create': 'test/integration/signing-keys.spec.ts',
  'signing_key.remove': 'test/integration/signing-keys.spec.ts',
  'token.issue': async () => {
    const { api_key: key } = await makeClient();
    const answer = await fetch(`${core.url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=client_credentials',
    });
    expect(answer.status).toBe(200);
  },
  'token.refresh': async () => call('POST', '/auth/refresh', { refresh_token: (await signedIn()).refreshToken }),
  'token.reuse_detected': 'test/security/refresh-tokens.spec.ts',
  'token.revoke': async () => {
    const { accessToken } = await signedIn();
    await call('POST', '/auth/revoke', { token: accessToken }, accessToken);
  },
  'token.revoke_all': async () => call('POST', `/users/${(await signedIn()).id}/tokens/revoke-all`),
  'user.create': invite,
  'user.invite': invite,
  'user.accept_invite': async () =>
    call('POST', '/auth/accept-invite', { token: await mailedTo(await invite()), password: NEW_PASSWORD }),
  'user.update': async () => call('PATCH', `/users/${(await somebody()).id}`, { name: 'Other' }),
  'user.suspend': async () => call('PATCH', `/users/${(await somebody()).id}`, { status: 'suspended' }),
  'user.restore': async () => {
    const { id } = await somebody();
    await call('PATCH', `/users/${id}`, { status: 'suspended' });
    await call('PATCH', `/users/${id}`, { status: 'active' });
  },
  'user.delete': async () => call('DELETE', `/users/${(await somebody()).id}`),
  'user.password_change': async () => {
    const { accessToken } = await signedIn();
    await call('POST', '/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD }, accessToken);
  },
  'user.password_reset': async () => {
    const { email } = await somebody();
    await call('POST', '/auth/forgot-password', { email });
    await call('POST', '/auth/reset-password', { token: await mailedTo(email), password: NEW_PASSWORD });
  },
  'user.email_change': async () => {
    const email = `moved.${performance.now()}@example.test`;
    await call('POST', '/me/email', { current_password: PASSWORD, email }, (await signedIn()).accessToken);
    await call('POST', '/auth/verify-email', { token: await mailedTo(email) });
  },
  'user.sign_in': () => signedIn(),
  'user.sign_in_failed': async () => attemptSignIn(core, { ...(await somebody()), password: 'not that one, no' }),
  'user.reauthenticate': async () =>
    call('POST', '/auth/reauthenticate', { password: PASSWORD }, (await signedIn()).accessToken),
  'user.locked_out': 'test/security/sign-in-lockout.spec.ts',
  'user.sign_out': async () => call('POST', '/auth/logout', undefined, (await signedIn()).accessToken),
  'session.end': async () => {
    const { id, sessionId } = await signedIn();
    await call('DELETE', `/users/${id}/sessions/${sessionId}`);
  },
  'session.end_all': async () => call('DELETE', `/users/${(await signedIn()).id}/sessions`),
  'session.new_device': async () => {
    const person = await somebody();
    await signedIn(person);
    await signedIn(person);
  },
  'session.new_country': 'test/integration/sessions.signals.spec.ts',
  'session.impossible_travel': 'test/integration/sessions.signals.spec.ts',
  'session.concurrent_countries': 'test/integration/sessions.signals.spec.ts',
  'role.create': makeRole,
  'role.update': async () =>
    call('PATCH', `/roles/${await makeRole()}`, { permissions: ['clients:read', 'logs:read'] }),
  'role.delete': async () => call('DELETE', `/roles/${await makeRole()}`),
  'permission.create': makePermission,
  'permission.update': async () => call('PATCH', `/permissions/${await makePermission()}`, { description: 'of use' }),
  'permission.delete': async () => call('DELETE', `/permissions/${await makePermission()}`),
  'grant.create': makeGrant,
  'grant.update': async () => call('PATCH', await makeGrant(), { reason: 'another' }),
  'grant.revoke': async () => call('DELETE', await makeGrant()),
  'permission.denied': async () => call('GET', '/clients', undefined, (await signedIn()).accessToken),
  'audit.read': () => call('GET', '/audit-logs'),
};

const over = Object.entries(EMITTED);
const done = over.flatMap(([action, how]) => (typeof how === 'string' ? [] : [[action, how] as const]));
const elsewhere = over.flatMap(([action, how]) => (typeof how === 'string' ? [[action, how] as const] : []));

interface Row {
  readonly actor_type: string;
  readonly actor_id: string | null;
  readonly address: string | null;
  readonly request_id: string | null;
  readonly details: object;
}

it.each(done)('%s is recorded, with who did it and from where', async (action, work) => {
  const [{ last } = { last: '0' }] = await core.database.query<{ last: string }>(
    'SELECT coalesce(max(id), 0)::text AS last FROM audit_logs',
  );
  await work();
  let rows: Row[] = [];
  await eventually(async () => {
    rows = await core.database.query('SELECT * FROM audit_logs WHERE id > $1 AND action = $2', [last, action]);
    return rows.length > 0;
  });
  for (const row of rows) {
    expect(row.address).toBe('127.0.0.1');
    expect(row.request_id).toMatch(/^[\w.-]+$/);
    if (row.actor_type !== 'anonymous') expect(row.actor_id).toMatch(/^(usr|cn)_/);
    const names: readonly string[] = AUDIT_ACTIONS[action as AuditAction];
    expect(names).toEqual(expect.arrayContaining(Object.keys(row.details)));
  }
});

it.each(elsewhere)('%s is looked for in %s', (action, file) => {
  expect(readFileSync(join(ROOT, file), 'utf8')).toContain(action);
});

it('holds no secret of all of this', async () => {
  const rows = await core.database.query<{ text: string }>('SELECT audit_logs::text AS text FROM audit_logs');
  expect(rows.length).toBeGreaterThan(done.length);
  const text = rows.map((row) => row.text).join('\n');
  for (const secret of [PASSWORD, NEW_PASSWORD, 'not that one, no', ada.accessToken, ada.refreshToken])
    expect(text).not.toContain(secret);
  expect(text).not.toMatch(/ott_|cnr_|eyJ[\w-]+\.|\$2[aby]\$|cn_(live|test)_[0-9A-Za-z]{12}_/);
});
