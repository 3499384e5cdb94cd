import { type ApiOperation, apiOperations } from '../support/api-operations.js';
import { buildGrant, buildSession, buildUser, PASSWORD } from '../support/people.js';
import { type PeopleApp, startPeopleApp } from '../support/people-app.js';
import { ask, type SignedIn, signedIn } from '../support/signed-in.js';
import { storedRows } from '../support/stored-rows.js';

/** What somebody would like to be, or to be somebody's. */
const WISHES: Readonly<Record<string, unknown>> = {
  role: 'owner',
  roles: ['owner'],
  role_id: 'rol_000000000000000owner',
  initial_roles: ['rol_000000000000000owner'],
  role_ids: ['rol_000000000000000owner'],
  grants: [{ role_id: 'rol_000000000000000owner' }],
  owner: 'usr_00000000000000000000',
  owner_id: 'usr_00000000000000000000',
  ownerId: 'usr_00000000000000000000',
  user_id: 'usr_00000000000000000000',
  userId: 'usr_00000000000000000000',
  session_id: 'ses_00000000000000000000',
  client_id: 'cn_live_000000000000',
  id: 'usr_00000000000000000000',
  version: 1,
  status: 'active',
  tier: 'paid',
  kind: 'cookie',
  permissions: ['admin'],
  effective_permissions: ['admin'],
  scopes: ['admin'],
  scope: { type: 'all' },
  parents: ['rol_000000000000000owner'],
  builtin: true,
  custom: false,
  admin: true,
  is_admin: true,
  isOwner: true,
  granted_by: null,
  created_by: null,
  created_at: '2020-01-01T00:00:00Z',
  updated_at: '2020-01-01T00:00:00Z',
  expires_at: null,
  token_epoch: 99,
  email: 'thief@example.com',
  email_key: 'thief@example.com',
  email_verified_at: '2020-01-01T00:00:00Z',
  emailVerifiedAt: '2020-01-01T00:00:00Z',
  password: PASSWORD,
  password_hash: '$2b$04$aaaaaaaaaaaaaaaaaaaaaeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  passwordHash: '$2b$04$aaaaaaaaaaaaaaaaaaaaaeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  password_changed_at: null,
  mfa: true,
  amr: ['mfa'],
  authenticated_at: '2030-01-01T00:00:00Z',
  remember: true,
  device_id: 'x',
  hashed_secret: 'x',
  client_secret: 'x',
  api_key: 'x',
  constructor: 'x',
  prototype: { polluted: true },
  toString: 'x',
  hasOwnProperty: 'x',
  '': 'x',
};

/** What is refused before anybody looks for fields. */
const POISONS = [
  '"__proto__":{"scopes":["admin"]}',
  '"\\u005f_proto__":{"role":"owner"}',
  '"constructor":{"prototype":{"polluted":true}}',
];

/** Bodies that go on to a provider as they are. */
const PASSED_ON = /^\/v1(?:beta)?\//;

interface Called {
  readonly path: string;
  readonly body: Record<string, unknown>;
  /** Null: nobody. */
  readonly credential: string | null;
}

let people: PeopleApp;
let operations: ApiOperation[];
let calls: Readonly<Record<string, Called>>;

beforeAll(async () => {
  people = await startPeopleApp();
  const { core, adminKey: admin } = people;
  const { database } = core;
  operations = (await apiOperations(core.url)).filter(({ path, bodyFields }) => bodyFields && !PASSED_ON.test(path));
  const [person, caller] = [await buildUser(database), await signedIn(core, { roles: ['owner'] })];
  const [client, own] = [await core.createClient(), await core.createClient({ ownerId: caller.id })];
  const grant = await buildGrant(database, person.id, { role: 'viewer' });
  const session = await buildSession(database, person.id);
  expect(session.userId).toBe(person.id);
  const made = async (path: string, body: object) => (await people.call('POST', `/api/v1/${path}`, body)).body.id;
  const role = await made('roles', { name: 'a-role' });
  await made('permissions', { name: 'thing:read' });
  const rule = await made('ip-rules', { cidr: '2001:db8::/32', action: 'block' });
  const token = `ott_${'a'.repeat(43)}`;
  calls = {
    ...asAdministrator(admin, { user_id: person.id, client_id: client.clientId, grant, role, rule }),
    ...asOneself(caller, own.clientId),
    'POST /api/v1/auth/login': at('auth/login', { email: person.email, password: PASSWORD }),
    'POST /api/v1/auth/refresh': at('auth/refresh', { refresh_token: 'cnr_x' }),
    'POST /api/v1/auth/accept-invite': at('auth/accept-invite', { token, password: PASSWORD }),
    'POST /api/v1/auth/reset-password': at('auth/reset-password', { token, password: PASSWORD }),
    'POST /api/v1/auth/verify-email': at('auth/verify-email', { token }),
    'POST /api/v1/auth/forgot-password': at('auth/forgot-password', { email: person.email }),
    'POST /api/v1/leaked-keys': at('leaked-keys', { api_key: client.apiKey }),
  };
}, 60_000);
afterAll(() => people?.stop());

const nameOf = ({ method, path }: ApiOperation) => `${method} ${path}`;
const at = (path: string, body: Record<string, unknown>, credential: string | null = null): Called => ({
  path: `/api/v1/${path}`,
  body,
  credential,
});

function asAdministrator(key: string, ids: Record<'user_id' | 'client_id' | 'grant' | 'role' | 'rule', string>) {
  const by = (path: string, body: Record<string, unknown>) => at(path, body, key);
  const [user, client] = [`users/${ids.user_id}`, `clients/${ids.client_id}`];
  const limit = { windows: [{ quota: 5, window_seconds: 60 }] };
  return {
    'POST /api/v1/users': by('users', { email: 'new@example.com' }),
    'PATCH /api/v1/users/{user_id}': by(user, { name: 'Changed' }),
    'POST /api/v1/users/{user_id}/grants': by(`${user}/grants`, { role_id: 'rol_00000000000000viewer' }),
    'PATCH /api/v1/users/{user_id}/grants/{grant_id}': by(`${user}/grants/${ids.grant}`, { reason: 'changed' }),
    'POST /api/v1/roles': by('roles', { name: 'new-role' }),
    'PATCH /api/v1/roles/{role_id}': by(`roles/${ids.role}`, { description: 'changed' }),
    'POST /api/v1/permissions': by('permissions', { name: 'new:read' }),
    'PATCH /api/v1/permissions/{permission}': by('permissions/thing:read', { description: 'changed' }),
    'POST /api/v1/clients': by('clients', { name: 'new' }),
    'PATCH /api/v1/clients/{client_id}': by(client, { name: 'changed' }),
    'POST /api/v1/clients/{client_id}/secrets': by(`${client}/secrets`, { expire_previous_in_seconds: 0 }),
    'POST /api/v1/clients/{client_id}/owner': by(`${client}/owner`, { user_id: ids.user_id }),
    'POST /api/v1/ip-rules': by('ip-rules', { cidr: '2001:db9::/32', action: 'block' }),
    'PATCH /api/v1/ip-rules/{id}': by(`ip-rules/${ids.rule}`, { reason: 'changed' }),
    'PUT /api/v1/rate-limits/policies/{class}': by('rate-limits/policies/general', limit),
    'PUT /api/v1/rate-limits/policies/{class}/{tier}': by('rate-limits/policies/general/paid', limit),
    'PUT /api/v1/rate-limits/overrides/clients/{client_id}/{class}': by(
      `rate-limits/overrides/${client}/general`,
      limit,
    ),
    'PUT /api/v1/rate-limits/overrides/users/{user_id}/{class}': by(`rate-limits/overrides/${user}/general`, limit),
    'POST /api/v1/rate-limits/explain': by('rate-limits/explain', { route: 'POST /api/v1/query' }),
    'POST /api/v1/access/explain': by('access/explain', {
      principal: { type: 'user', id: ids.user_id },
      permission: 'clients:read',
    }),
    'POST /api/v1/auth/revoke': by('auth/revoke', { token: 'x' }),
    'POST /api/v1/auth/introspect': by('auth/introspect', { token: 'x' }),
    'POST /api/v1/query': by('query', { query: 'x' }),
  };
}

function asOneself({ token }: SignedIn, key: string) {
  const by = (path: string, body: Record<string, unknown>) => at(path, body, token);
  return {
    'POST /api/v1/api-keys': by('api-keys', { name: 'new' }),
    'PATCH /api/v1/api-keys/{client_id}': by(`api-keys/${key}`, { name: 'changed' }),
    'POST /api/v1/api-keys/{client_id}/secrets': by(`api-keys/${key}/secrets`, { expire_previous_in_seconds: 0 }),
    'POST /api/v1/auth/reauthenticate': by('auth/reauthenticate', { password: PASSWORD }),
    'POST /api/v1/me/password': by('me/password', { current_password: PASSWORD, new_password: `${PASSWORD} 2` }),
    'POST /api/v1/me/email': by('me/email', { current_password: PASSWORD, email: 'mine@example.com' }),
  };
}

const send = ({ path, credential }: Called, method: string, body: string) =>
  fetch(`${people.core.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(credential && { authorization: `Bearer ${credential}` }) },
    body,
  });

it('no body takes a field that it does not say it has, by that name or any other, and nothing comes of it', async () => {
  expect(operations.filter((each) => calls[nameOf(each)] === undefined).map(nameOf)).toEqual([]);
  const before = await storedRows(people.core.database);
  const taken: unknown[] = [];
  for (const operation of operations) {
    const called = calls[nameOf(operation)] as Called;
    const wishes = Object.entries(WISHES).filter(([field]) => !operation.bodyFields?.has(field));
    expect(wishes.length).toBeGreaterThan(40);
    for (const [field, value] of wishes) {
      const json = JSON.stringify({ ...called.body, [field]: value });
      const response = await send(called, operation.method, json);
      const { code, errors } = (await response.json()) as { code?: string; errors?: unknown };
      const expected = [{ location: `body.${field}`, message: 'is not a field of this request' }];
      if (response.status !== 400 || code !== 'invalid_request' || JSON.stringify(errors) !== JSON.stringify(expected))
        taken.push([nameOf(operation), field, response.status, code, errors]);
    }
    for (const poison of POISONS) {
      const response = await send(called, operation.method, `${JSON.stringify(called.body).slice(0, -1)},${poison}}`);
      if (response.status !== 400) taken.push([nameOf(operation), poison, response.status]);
    }
  }
  expect(taken).toEqual([]);
  expect(await storedRows(people.core.database)).toEqual(before);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
}, 120_000);

it('a field within a field is none either', async () => {
  const { core, adminKey } = people;
  const { id } = await buildUser(core.database);
  const before = await storedRows(core.database);
  const role_id = 'rol_00000000000000viewer';
  for (const inner of [
    { scope: { type: 'all', id: 'x' } },
    { scope: { type: 'client', id: 'x', resource: 'users' } },
    { scope: { type: 'all', constructor: 1 } },
    { conditions: { mfa: true, admin: true } },
    { conditions: { toString: 1 } },
    { conditions: { hours: { zone: 'UTC', from: '00:00', to: '01:00', always: true } } },
  ]) {
    const answer = await ask(core.url, adminKey, 'POST', `/api/v1/users/${id}/grants`, { role_id, ...inner });
    expect([inner, answer.status]).toEqual([inner, 400]);
  }
  for (const email of [
    { constructor: 1 },
    { constructor: { name: 'x' } },
    [{ constructor: 1 }],
    { a: { toString: 1 } },
  ]) {
    const answer = await people.post('/api/v1/auth/login', { email, password: PASSWORD });
    expect([email, answer.status, answer.body.code]).toEqual([email, 400, 'invalid_request']);
  }
  const window = { quota: 5, window_seconds: 60, burst: 99 };
  const path = `/api/v1/rate-limits/overrides/users/${id}/general`;
  expect((await ask(core.url, adminKey, 'PUT', path, { windows: [window] })).status).toBe(400);
  expect(await storedRows(core.database)).toEqual(before);
});
