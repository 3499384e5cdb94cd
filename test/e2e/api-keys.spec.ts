import { startApp, type TestApp } from '../support/app.js';
import { type InsertedClient } from '../support/insert-client.js';
import { buildGrant } from '../support/people.js';
import { type ApiAnswer, ask, type SignedIn, signedIn } from '../support/signed-in.js';

const DAY_MS = 86_400_000;
const KEYS = '/api/v1/api-keys';

let core: TestApp;
let admin: InsertedClient;
let ada: SignedIn;
let ben: SignedIn;

beforeAll(async () => {
  core = await startApp({
    settings: { RATE_LIMITS: 'general.free=100000/60,general.paid=100000/60,key_creation=100000/60' },
  });
  admin = await core.createClient({ scopes: ['admin'] });
  [ada, ben] = [await signedIn(core, { roles: ['operator'] }), await signedIn(core, { roles: ['developer'] })];
}, 60_000);
afterAll(() => core?.stop());

const as =
  (credential: string) =>
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer> =>
    ask(core.url, credential, method, path, body, headers);
const byAda: ReturnType<typeof as> = (...call) => as(ada.token)(...call);
const byAdmin: ReturnType<typeof as> = (...call) => as(admin.apiKey)(...call);
const at = (clientId: string, rest = '') => `${KEYS}/${clientId}${rest}`;
const locations = ({ body }: ApiAnswer) => body.errors.map((error: { location: string }) => error.location);
const daysFromNow = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
const audited = (clientId: string) =>
  core.database.query<{ action: string; actor_type: string; actor_id: string; details: Record<string, unknown> }>(
    'SELECT action, actor_type, actor_id, details FROM audit_logs WHERE subject_id = $1 ORDER BY id',
    [clientId],
  );

async function makeKey(body: object = {}, credential = ada.token): Promise<ApiAnswer['body']> {
  const made = await as(credential)('POST', KEYS, { name: 'mine', ...body });
  expect(made).toMatchObject({ status: 201 });
  return made.body;
}

describe('making a key', () => {
  it('gives a client that belongs to the caller, for 90 days, shown once', async () => {
    const made = await byAda('POST', KEYS, { name: 'notebook' });
    expect(made.status).toBe(201);
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect(made.body).toMatchObject({
      client_id: expect.stringMatching(/^cn_live_[0-9A-Za-z]{12}$/),
      api_key: `${made.body.client_id}_${made.body.client_secret}`,
      name: 'notebook',
      tier: 'paid',
      scopes: ['llm:invoke'],
      owner_id: ada.id,
      status: 'active',
    });
    expect(Math.abs(Date.parse(made.body.expires_at) - Date.now() - 90 * DAY_MS)).toBeLessThan(60_000);
    const identity = await as(made.body.api_key)('GET', '/api/v1/whoami');
    expect(identity).toMatchObject({ status: 200, body: { method: 'client', client_id: made.body.client_id } });
    const shown = await byAda('GET', at(made.body.client_id));
    expect(shown.status).toBe(200);
    expect(shown.text).not.toContain(made.body.client_secret);
  });

  it('takes every field, and the tier of its owner', async () => {
    const carl = await signedIn(core, { roles: ['operator'], tier: 'free' });
    const expiresAt = daysFromNow(365 - 1);
    const body = {
      scopes: ['clients:read', 'llm:invoke'],
      environment: 'test',
      expires_at: expiresAt,
      allowed_addresses: ['127.0.0.1'],
      allowed_models: ['core-nest/*'],
      allowed_providers: ['core-nest'],
    };
    const made = await makeKey(body, carl.token);
    expect(made).toMatchObject({
      ...body,
      allowed_addresses: ['127.0.0.1/32'].map(() => expect.any(String)),
      tier: 'free',
    });
    expect(made.client_id).toMatch(/^cn_test_/);
  });

  it('leaves word of who made it and whose it is', async () => {
    const made = await makeKey({ name: 'audited' });
    expect(await audited(made.client_id)).toEqual([
      expect.objectContaining({
        action: 'client.create',
        actor_type: 'user',
        actor_id: ada.id,
        details: expect.objectContaining({ owner_id: ada.id, name: 'audited' }),
      }),
    ]);
  });

  it.each([
    ['no name', {}, 'body.name'],
    ['an owner', { name: 'x', owner_id: 'usr_0123456789ABCDEFGHIJ' }, 'body.owner_id'],
    ['a tier', { name: 'x', tier: 'paid' }, 'body.tier'],
    ['a status', { name: 'x', status: 'active' }, 'body.status'],
    ['a scope that there is not', { name: 'x', scopes: ['nothing:read'] }, 'body.scopes'],
    ['an end that is past', { name: 'x', expires_at: '2020-01-01T00:00:00Z' }, 'body.expires_at'],
    ['an end more than a year away', { name: 'x', expires_at: '2099-01-01T00:00:00Z' }, 'body.expires_at'],
    ['no end', { name: 'x', expires_at: null }, 'body.expires_at'],
  ])('refuses %s', async (_what, body, location) => {
    const refused = await byAda('POST', KEYS, body);
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(locations(refused)).toEqual([location]);
  });

  it('lets those who hold api_keys:admin make one without end, or with a far one', async () => {
    const boss = await signedIn(core, { roles: ['owner'] });
    expect(await makeKey({ expires_at: null }, boss.token)).toMatchObject({ expires_at: null });
    expect(await makeKey({ expires_at: '2099-01-01T00:00:00Z' }, boss.token)).toMatchObject({
      expires_at: '2099-01-01T00:00:00.000Z',
    });
  });

  it('gives no scope that the owner does not hold', async () => {
    const refused = await as(ben.token)('POST', KEYS, { name: 'more', scopes: ['llm:invoke', 'clients:read'] });
    expect(refused).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    expect(refused.body.detail).toBe('You cannot grant the scope "clients:read", which you do not hold yourself.');
  });

  it('takes the permission: a viewer makes none, and an ownerless client has nobody to make one for', async () => {
    const viewer = await signedIn(core, { roles: ['viewer'] });
    expect(await as(viewer.token)('POST', KEYS, { name: 'x', scopes: [] })).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
    expect(await byAdmin('POST', KEYS, { name: 'x' })).toMatchObject({ status: 403, body: { code: 'user_required' } });
    expect(await byAdmin('GET', KEYS)).toMatchObject({ status: 403, body: { code: 'user_required' } });
  });

  it('is given once more for the same Idempotency-Key of the same user, and is another key for another user', async () => {
    const header = { 'idempotency-key': 'once' };
    const body = { name: 'once', scopes: ['llm:invoke'] };
    const [first, again, others] = [
      await byAda('POST', KEYS, body, header),
      await byAda('POST', KEYS, body, header),
      await as(ben.token)('POST', KEYS, body, header),
    ];
    expect([first.status, again.status, others.status]).toEqual([201, 201, 201]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
    expect(others.headers.get('idempotent-replayed')).toBeNull();
    expect(others.body).toMatchObject({ owner_id: ben.id });
    expect(others.body.client_id).not.toBe(first.body.client_id);
  });

  it('can be done by a key of theirs that holds api_keys:write, and the new one is theirs as well', async () => {
    const maker = await makeKey({ scopes: ['api_keys:write', 'api_keys:read', 'llm:invoke'] });
    const made = await makeKey({ name: 'made by a key' }, maker.api_key);
    expect(made).toMatchObject({ owner_id: ada.id });
    expect((await as(maker.api_key)('GET', at(made.client_id))).status).toBe(200);
    const plain = await makeKey();
    expect((await as(plain.api_key)('POST', KEYS, { name: 'x' })).status).toBe(403);
  });
});

describe('the list', () => {
  it('holds the own keys alone, page by page, by the filters of clients', async () => {
    const dora = await signedIn(core, { roles: ['developer'] });
    const names = ['a', 'b', 'c'];
    for (const name of names) await makeKey({ name }, dora.token);
    await core.createClient({ name: 'a' });
    const list = (query: string) => as(dora.token)('GET', `${KEYS}?${query}`);
    const first = await list('sort=name&limit=2');
    expect(first.body.data.map(({ name }: { name: string }) => name)).toEqual(['a', 'b']);
    const second = await list(`sort=name&limit=2&cursor=${first.body.next_cursor}`);
    expect(second.body).toMatchObject({ data: [{ name: 'c', owner_id: dora.id }], has_more: false });
    expect((await list('search=B')).body.data).toHaveLength(1);
    expect((await list('status=disabled')).body.data).toEqual([]);
    expect(locations(await list(`owner_id=${ada.id}`))).toEqual(['query.owner_id']);
    expect((await as((await signedIn(core)).token)('GET', KEYS)).body.data).toEqual([]);
  });

  it('is the administrators’ too: clients by owner', async () => {
    const eve = await signedIn(core, { roles: ['developer'] });
    const made = await makeKey({}, eve.token);
    const listed = await byAdmin('GET', `/api/v1/clients?owner_id=${eve.id}`);
    expect(listed.body.data).toEqual([expect.objectContaining({ client_id: made.client_id, owner_id: eve.id })]);
    const shown = await byAdmin('GET', `/api/v1/clients/${made.client_id}`);
    expect(shown.body).toMatchObject({ owner_id: eve.id });
  });
});

describe('changing a key', () => {
  it('changes name, end and lists, and takes scopes away', async () => {
    const made = await makeKey({ scopes: ['clients:read', 'llm:invoke'] });
    const changes = {
      name: 'renamed',
      scopes: ['llm:invoke'],
      expires_at: daysFromNow(5),
      allowed_models: ['core-nest/*'],
    };
    const changed = await byAda('PATCH', at(made.client_id), changes);
    expect(changed).toMatchObject({ status: 200, body: changes });
    expect((await as(made.api_key)('GET', '/api/v1/clients')).status).toBe(403);
    expect((await as(made.api_key)('GET', '/v1/models')).status).toBe(200);
    expect((await audited(made.client_id)).at(-1)).toMatchObject({ action: 'client.update', actor_id: ada.id });
  });

  it.each([
    ['nothing', {}, 'body'],
    ['the owner', { owner_id: null }, 'body.owner_id'],
    ['the tier', { tier: 'free' }, 'body.tier'],
    ['the status', { status: 'disabled' }, 'body.status'],
    ['more scopes, held or not', { scopes: ['llm:invoke', 'clients:read'] }, 'body.scopes'],
    ['an end too far away', { expires_at: null }, 'body.expires_at'],
  ])('does not change %s', async (_what, body, location) => {
    const made = await makeKey();
    const refused = await byAda('PATCH', at(made.client_id), body);
    expect(refused).toMatchObject({ status: 400 });
    expect(locations(refused)).toEqual([location]);
  });
});

describe('the secrets of a key', () => {
  it('are rotated as those of clients are, and ended', async () => {
    const made = await makeKey();
    const header = { 'idempotency-key': 'rotation' };
    const rotate = () => byAda('POST', at(made.client_id, '/secrets'), { expire_previous_in_seconds: 0 }, header);
    const rotated = await rotate();
    expect(rotated).toMatchObject({ status: 201, body: { client_id: made.client_id } });
    expect((await rotate()).body).toEqual(rotated.body);
    expect((await as(made.api_key)('GET', '/api/v1/whoami')).status).toBe(401);
    expect((await as(rotated.body.api_key)('GET', '/api/v1/whoami')).status).toBe(200);
    expect((await byAda('DELETE', at(made.client_id, `/secrets/${rotated.body.id}`))).status).toBe(204);
    expect((await as(rotated.body.api_key)('GET', '/api/v1/whoami')).status).toBe(401);
  });
});

describe('revoking a key', () => {
  it('ends it at once', async () => {
    const made = await makeKey();
    expect((await as(made.api_key)('GET', '/api/v1/whoami')).status).toBe(200);
    expect((await byAda('DELETE', at(made.client_id))).status).toBe(204);
    expect((await as(made.api_key)('GET', '/api/v1/whoami')).status).toBe(401);
    expect((await byAda('GET', at(made.client_id))).status).toBe(404);
    expect((await audited(made.client_id)).at(-1)).toMatchObject({ action: 'client.revoke', actor_id: ada.id });
  });
});

describe('a key whose owner holds less by now', () => {
  it('can be revoked and made smaller by them, and not rotated, nor kept as it is', async () => {
    const finn = await signedIn(core, { roles: ['developer'] });
    const grant = await buildGrant(core.database, finn.id, { role: 'operator' });
    const made = await makeKey({ scopes: ['clients:read', 'llm:invoke'] }, finn.token);
    await core.database.query('DELETE FROM grants WHERE id = $1', [grant]);
    const byFinn = as(finn.token);
    const rotation = { expire_previous_in_seconds: 60 };
    const refused = await byFinn('POST', at(made.client_id, '/secrets'), rotation);
    expect(refused).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    expect(refused.body.detail).toContain('"clients:read"');
    const kept = await byFinn('PATCH', at(made.client_id), { name: 'kept' });
    expect(kept.body).toMatchObject({
      status: 403,
      detail: 'You cannot keep the scope "clients:read", which you do not hold yourself.',
    });
    expect((await byFinn('PATCH', at(made.client_id), { scopes: ['llm:invoke'] })).status).toBe(200);
    expect((await byFinn('POST', at(made.client_id, '/secrets'), rotation)).status).toBe(201);
    const second = await makeKey({ scopes: ['llm:invoke'] }, finn.token);
    await core.database.query('DELETE FROM grants WHERE user_id = $1', [finn.id]);
    expect((await byFinn('DELETE', at(second.client_id))).status).toBe(204);
  });
});
