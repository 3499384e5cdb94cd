import { startApp, type TestApp } from '../support/app.js';
import { accessTokenOf, buildSession, buildUser, type Person } from '../support/people.js';

let app: TestApp;
let person: Person;
let token: string;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app?.stop());

beforeEach(async () => {
  person = await buildUser(app.database, { roles: ['developer'], name: 'Ada' });
  token = await accessTokenOf(app, await buildSession(app.database, person.id));
});

async function ask(path: string, headers: Record<string, string>, body?: object) {
  const response = await fetch(`${app.url}/api/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, never> };
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

it('tells who signed in what there is of theirs', async () => {
  const browser = await buildSession(app.database, person.id, { kind: 'cookie' });
  const key = await ask('/api-keys', bearer(token), { name: 'batch', scopes: ['llm:invoke'] });
  expect(key.status).toBe(201);
  const me = await ask('/me', { cookie: `__Host-core-nest-session=${browser.cookie}` });
  expect(me.status).toBe(200);
  expect(me.headers.get('cache-control')).toBe('no-store');
  expect(me.body).toMatchObject({
    user: { user_id: person.id, email: person.email, name: 'Ada', status: 'active', tier: 'paid' },
    permissions: expect.arrayContaining(['api_keys:write', 'llm:invoke']),
    api_keys: [{ client_id: key.body.client_id, name: 'batch', scopes: ['llm:invoke'], status: 'active' }],
  });
  expect(me.body.sessions).toHaveLength(2);
  expect(me.body.sessions).toEqual(
    expect.arrayContaining([expect.objectContaining({ id: browser.id, current: true, kind: 'cookie' })]),
  );
  expect(JSON.stringify(me.body)).not.toMatch(/hash|secret/);
});

it("a user's key sees the same if it may, and no session is its own", async () => {
  const administrator = await buildUser(app.database, { roles: ['admin'] });
  const asAdministrator = bearer(await accessTokenOf(app, await buildSession(app.database, administrator.id)));
  const may = await ask('/api-keys', asAdministrator, { name: 'may', scopes: ['users:read'] });
  const mayNot = await ask('/api-keys', asAdministrator, { name: 'may not', scopes: ['llm:invoke'] });
  const me = await ask('/me', bearer(may.body.api_key ?? ''));
  expect(me.body).toMatchObject({
    user: { user_id: administrator.id },
    permissions: ['users:read'],
    sessions: [{ current: false }],
  });
  expect(await ask('/me', bearer(mayNot.body.api_key ?? ''))).toMatchObject({
    status: 403,
    body: { code: 'permission_denied' },
  });
});

it('is nothing for a client that belongs to nobody', async () => {
  const client = await app.createClient({ scopes: ['admin'] });
  expect(await ask('/me', bearer(client.apiKey))).toMatchObject({ status: 403, body: { code: 'user_required' } });
});

describe('whoami', () => {
  it('names the user, the method and what is held now', async () => {
    expect((await ask('/whoami', bearer(token))).body).toMatchObject({
      method: 'jwt',
      client_id: null,
      user_id: person.id,
      tier: 'paid',
      scopes: expect.arrayContaining(['llm:invoke']),
      provider: null,
    });
    const browser = await buildSession(app.database, person.id, { kind: 'cookie' });
    const cookie = `__Host-core-nest-session=${browser.cookie}`;
    expect((await ask('/whoami', { cookie })).body).toMatchObject({ method: 'session', user_id: person.id });
    expect((await ask('/whoami', { cookie, 'x-provider-token': 'sk-own', 'x-provider': 'openai' })).body).toMatchObject(
      {
        method: 'session',
        user_id: person.id,
        provider: 'openai',
      },
    );
  });

  it('narrows what a narrowed token holds', async () => {
    const session = await buildSession(app.database, person.id);
    const narrowed = await accessTokenOf(app, session, ['llm:invoke', 'audit:read']);
    expect((await ask('/whoami', bearer(narrowed))).body).toMatchObject({ scopes: ['llm:invoke'] });
  });

  it('is admin for whoever holds everything', async () => {
    const owner = await buildUser(app.database, { roles: ['owner'] });
    const ofOwner = await accessTokenOf(app, await buildSession(app.database, owner.id));
    expect((await ask('/whoami', bearer(ofOwner))).body).toMatchObject({ scopes: ['admin'] });
  });
});
