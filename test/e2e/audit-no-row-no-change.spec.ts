import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type Answer, httpCall } from '../support/http-call.js';
import { buildUser, PASSWORD, type Person, type SignedInPerson, signIn } from '../support/people.js';

/** PostgreSQL takes everything but rows of the audit log. */
const LOSE = `
  CREATE FUNCTION lose_audit_rows() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END $$;
  CREATE TRIGGER lose_audit_rows BEFORE INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION lose_audit_rows()`;
const FIND = 'DROP TRIGGER lose_audit_rows ON audit_logs; DROP FUNCTION lose_audit_rows()';
/** What runs in the background, or is counted although nothing is changed. */
const ASIDE = ['api_log', 'replica', 'schema_migrations', 'sign_in_', 'session_days', 'signing_keys'];

/** When and where something was last used is noted, not changed. */
const NOTED = ['last_used_at', 'last_used_address', 'last_used_agent', 'last_seen_at', 'seen_address', 'seen_country'];

let core: TestApp;
let tables: { name: string }[] | undefined;
let ada: SignedInPerson;
let grace: SignedInPerson;
let idle: Person;
let client: string;
let role: string;
let grant: string;
let rule: string;
let unused: string;

beforeAll(async () => {
  core = await startApp({ settings: { RATE_LIMITS: 'login=10000/60' } });
  ada = await signIn(core, await buildUser(core.database, { name: 'Ada', roles: ['owner'] }));
  grace = await signIn(core, await buildUser(core.database, { name: 'Grace', roles: ['developer'] }));
  idle = await buildUser(core.database, { name: 'Idle' });
  client = (await call('POST', '/clients', { name: 'before' })).body.client_id;
  role = (await call('POST', '/roles', { name: 'before', permissions: ['clients:read'] })).body.id;
  unused = (await call('POST', '/roles', { name: 'unused' })).body.id;
  grant = (await call('POST', `/users/${idle.id}/grants`, { role_id: role })).body.id;
  rule = (await call('POST', '/ip-rules', { cidr: '203.0.113.9', action: 'block' })).body.id;
  await core.database.query(LOSE);
});
afterAll(() => core.stop());

function call(method: string, path: string, body?: object, bearer = ada.accessToken): Promise<Answer> {
  return httpCall(core.url, method, `/api/v1${path}`, { body, bearer });
}

/** Every row of every table, but those aside, as one text each. */
async function everything(): Promise<Record<string, unknown>[]> {
  tables ??= await core.database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition ORDER BY relname`,
  );
  const kept = tables.filter(({ name }) => !ASIDE.some((prefix) => name.startsWith(prefix)));
  const rows = kept.map(
    ({ name }) =>
      `SELECT '${name}' AS "table", (to_jsonb(each) - '{${NOTED.join()}}'::text[])::text AS row FROM ${name} AS each`,
  );
  return core.database.query(`${rows.join(' UNION ALL ')} ORDER BY 1, 2`);
}

const CHANGES: readonly [what: string, ask: () => Promise<Answer>][] = [
  ['a client is made', () => call('POST', '/clients', { name: 'unrecorded' })],
  ['a client is changed', () => call('PATCH', `/clients/${client}`, { name: 'unrecorded' })],
  ['a client is revoked', () => call('DELETE', `/clients/${client}`)],
  ['a client is handed over', () => call('POST', `/clients/${client}/owner`, { user_id: idle.id })],
  ['a secret is made', () => call('POST', `/clients/${client}/secrets`, { expire_previous_in_seconds: 60 })],
  ['a key of one’s own is made', () => call('POST', '/api-keys', { name: 'mine' }, grace.accessToken)],
  [
    'a limit is set',
    () => call('PUT', '/rate-limits/policies/general', { windows: [{ quota: 5, window_seconds: 60 }] }),
  ],
  ['a rule is made', () => call('POST', '/ip-rules', { cidr: '192.0.2.0/24', action: 'block' })],
  ['a rule is removed', () => call('DELETE', `/ip-rules/${rule}`)],
  ['a user is invited', () => call('POST', '/users', { email: 'unrecorded@example.test' })],
  ['a user is changed', () => call('PATCH', `/users/${idle.id}`, { name: 'unrecorded' })],
  ['a user is suspended', () => call('PATCH', `/users/${grace.id}`, { status: 'suspended' })],
  ['a user is removed', () => call('DELETE', `/users/${idle.id}`)],
  [
    'a password is changed',
    () =>
      call('POST', '/me/password', { current_password: PASSWORD, new_password: `${PASSWORD} 2` }, grace.accessToken),
  ],
  ['a role is made', () => call('POST', '/roles', { name: 'unrecorded' })],
  ['a role is changed', () => call('PATCH', `/roles/${role}`, { permissions: ['logs:read'] })],
  ['a role is removed', () => call('DELETE', `/roles/${unused}`)],
  ['a permission is made', () => call('POST', '/permissions', { name: 'unrecorded:read' })],
  ['a role is granted', () => call('POST', `/users/${grace.id}/grants`, { role_id: role })],
  ['a grant is changed', () => call('PATCH', `/users/${idle.id}/grants/${grant}`, { reason: 'unrecorded' })],
  ['a grant is taken away', () => call('DELETE', `/users/${idle.id}/grants/${grant}`)],
  ['a session is ended', () => call('DELETE', `/users/${grace.id}/sessions/${grace.sessionId}`)],
  ['all sessions are ended', () => call('DELETE', `/users/${grace.id}/sessions`)],
  [
    'somebody proves who they are',
    () => call('POST', '/auth/reauthenticate', { password: PASSWORD }, grace.accessToken),
  ],
  ['somebody signs out', () => call('POST', '/auth/logout', undefined, grace.accessToken)],
  ['a token is refreshed', () => call('POST', '/auth/refresh', { refresh_token: grace.refreshToken })],
  ['a token is revoked', () => call('POST', '/auth/revoke', { token: grace.accessToken })],
  ['all tokens of a user are revoked', () => call('POST', `/users/${grace.id}/tokens/revoke-all`)],
  ['somebody signs in', () => call('POST', '/auth/login', { email: idle.email, password: PASSWORD })],
  ['the log is read', () => call('GET', '/audit-logs')],
];

it.each(CHANGES)('nothing is changed, and 503 says so, when %s', async (_, ask) => {
  const before = await everything();
  const { status, headers, text, body } = await ask();
  expect({ status, body }).toMatchObject({
    status: 503,
    body: { code: 'service_unavailable', detail: expect.stringContaining('cannot be recorded in the audit log') },
  });
  expect(headers.get('retry-after')).toBe('5');
  expect(text).not.toContain('disk');
  expect(await everything()).toEqual(before);
});

it('what changes nothing goes on, and a refusal is a refusal, recorded as soon as it can be', async () => {
  expect((await call('GET', '/clients')).status).toBe(200);
  const refused = await call('GET', '/clients', undefined, grace.accessToken);
  expect(refused).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
  const rows = () =>
    core.database.query('SELECT details FROM audit_logs WHERE actor_id = $1 AND action = $2', [
      grace.id,
      'permission.denied',
    ]);
  expect(await rows()).toEqual([]);

  await core.database.query(FIND);
  await eventually(async () => (await rows()).length > 0);
  expect(await rows()).toMatchObject([{ details: { permission: 'clients:read' } }]);
  expect((await call('PATCH', `/users/${idle.id}`, { name: 'recorded' })).status).toBe(200);
});
