import { newId } from '../../src/kernel/ids.js';
import { startApp, type TestApp } from '../support/app.js';
import { buildGrant } from '../support/people.js';
import { type ApiAnswer, ask, type SignedIn, signedIn } from '../support/signed-in.js';

const CLIENTS = '/api/v1/clients';
const ROTATION = { expire_previous_in_seconds: 60 };

let core: TestApp;
let admin: string;
/** Administers everything outright. */
let owner: SignedIn;
/** Administers everything, for an hour. */
let temporary: SignedIn;
/** Administers everything, from here. */
let conditional: SignedIn;

beforeAll(async () => {
  core = await startApp();
  admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
  owner = await signedIn(core, { roles: ['owner'] });
  temporary = await signedIn(core, { roles: ['viewer'] });
  await buildGrant(core.database, temporary.id, { role: 'owner', expiresAt: new Date(Date.now() + 3_600_000) });
  conditional = await signedIn(core, { roles: ['viewer'] });
  await buildGrant(core.database, conditional.id, { role: 'owner', conditions: { cidr: ['127.0.0.0/8', '::1'] } });
}, 60_000);
afterAll(() => core?.stop());

const as = ({ token }: { token: string }, method: string, path: string, body?: unknown): Promise<ApiAnswer> =>
  ask(core.url, token, method, path, body);
const built = async (fields: object) => (await ask(core.url, admin, 'POST', CLIENTS, { name: 'a', ...fields })).body;
const fresh = () => `c ${newId('usr')}`;

function expectKept({ status, body }: ApiAnswer, scope = 'admin') {
  expect([status, body.code]).toEqual([403, 'permission_denied']);
  expect(body.detail).toContain(`"${scope}", which you hold for a time or under conditions only`);
}

describe.each([
  ['for a time', () => temporary],
  ['under conditions', () => conditional],
])('who holds everything %s', (_how, caller) => {
  it('makes no client of nobody with it, but one with what is held outright', async () => {
    expectKept(await as(caller(), 'POST', CLIENTS, { name: fresh(), scopes: ['admin'] }));
    expectKept(await as(caller(), 'POST', CLIENTS, { name: fresh(), scopes: ['clients:write'] }), 'clients:write');
    expect((await as(caller(), 'POST', CLIENTS, { name: fresh(), scopes: ['clients:read'] })).status).toBe(201);
  });

  it('makes a key of their own, which nobody can be given for longer', async () => {
    const made = await as(caller(), 'POST', '/api/v1/api-keys', { name: fresh(), scopes: ['admin'] });
    expect(made.status).toBe(201);
    const path = `${CLIENTS}/${made.body.client_id}`;
    for (const user_id of [null, owner.id])
      expect((await as(caller(), 'POST', `${path}/owner`, { user_id })).body.code).toBe('permission_denied');
    const key = { token: made.body.api_key };
    expectKept(await as(key, 'POST', CLIENTS, { name: fresh(), scopes: ['admin'] }));
    expect((await as(caller(), 'POST', `${path}/secrets`, ROTATION)).status).toBe(201);
    expect((await as(caller(), 'POST', `${path}/owner`, { user_id: caller().id })).status).toBe(200);
  });

  it('gets no secret of a client that holds it, whoever it belongs to', async () => {
    const { client_id: ofNobody } = await built({ scopes: ['admin'] });
    const { body: ofOwner } = await as(owner, 'POST', '/api/v1/api-keys', { name: fresh(), scopes: ['admin'] });
    expectKept(await as(caller(), 'POST', `${CLIENTS}/${ofNobody}/secrets`, ROTATION));
    const { status, body } = await as(caller(), 'POST', `${CLIENTS}/${ofOwner.client_id}/secrets`, ROTATION);
    expect([status, body.code]).toEqual([403, 'permission_denied']);
  });

  it('widens none', async () => {
    const { client_id } = await built({
      scopes: ['clients:read', 'audit:read'],
      expires_at: '2099-01-01T00:00:00Z',
      allowed_addresses: ['192.0.2.0/24'],
    });
    const patch = (body: object) => as(caller(), 'PATCH', `${CLIENTS}/${client_id}`, body);
    expectKept(await patch({ scopes: ['clients:read', 'audit:read', 'admin'] }));
    for (const body of [{ expires_at: null }, { expires_at: '2099-01-02T00:00:00Z' }, { allowed_addresses: null }])
      expectKept(await patch(body), 'audit:read');
    expect((await patch({ status: 'disabled' })).status).toBe(200);
    expectKept(await patch({ status: 'active' }), 'audit:read');
  });

  it('makes nobody else the heir of keys, of their own or others, whose secrets they may know', async () => {
    const leaving = await signedIn(core, { roles: ['viewer'] });
    for (const id of [leaving.id, caller().id]) {
      const { status, body } = await as(caller(), 'DELETE', `/api/v1/users/${id}?hand_over_to=${owner.id}`);
      expect([status, body.code]).toEqual([403, 'permission_denied']);
    }
    expect((await as(caller(), 'DELETE', `/api/v1/users/${leaving.id}?hand_over_to=${caller().id}`)).status).toBe(204);
  });

  it('manages them otherwise: names, narrows, disables, revokes, and widens by what is held outright', async () => {
    const { client_id } = await built({ scopes: ['clients:read', 'audit:read'] });
    const patch = (body: object) => as(caller(), 'PATCH', `${CLIENTS}/${client_id}`, body);
    for (const body of [
      { name: fresh() },
      { scopes: ['clients:read', 'audit:read', 'logs:read'] },
      { allowed_addresses: ['192.0.2.0/24'] },
      { expires_at: '2099-01-01T00:00:00Z' },
      { status: 'disabled' },
      { scopes: ['clients:read'] },
      { status: 'active', expires_at: null, allowed_addresses: null },
    ])
      expect({ body, status: (await patch(body)).status }).toEqual({ body, status: 200 });
    expect((await as(caller(), 'POST', `${CLIENTS}/${client_id}/secrets`, ROTATION)).status).toBe(201);
    expect((await as(caller(), 'DELETE', `${CLIENTS}/${client_id}`)).status).toBe(204);
  });
});

it('who holds everything outright does all of it', async () => {
  const made = await as(owner, 'POST', CLIENTS, { name: fresh(), scopes: ['admin'] });
  expect(made.status).toBe(201);
  const path = `${CLIENTS}/${made.body.client_id}`;
  expect((await as(owner, 'POST', `${path}/secrets`, ROTATION)).status).toBe(201);
  expect((await as(owner, 'POST', `${path}/owner`, { user_id: temporary.id })).status).toBe(200);
  expect((await as(owner, 'POST', `${path}/owner`, { user_id: null })).status).toBe(200);
});

it('a client that is good from some addresses makes one that is good from those', async () => {
  const { api_key } = await built({ scopes: ['admin'], allowed_addresses: ['127.0.0.0/8', '::1/128'] });
  expect((await as({ token: api_key }, 'POST', CLIENTS, { name: fresh(), scopes: ['admin'] })).status).toBe(201);
});
