import { startApp, type TestApp } from '../support/app.js';
import { buildGrant } from '../support/people.js';
import { type ApiAnswer, ask, type SignedIn, signedIn } from '../support/signed-in.js';

const KEYS = '/api/v1/api-keys';

let core: TestApp;

beforeAll(async () => {
  core = await startApp();
});
afterAll(() => core?.stop());

const as =
  (credential: string) =>
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer> =>
    ask(core.url, credential, method, path, body, headers);

async function makeKey({ token }: SignedIn, scopes: readonly string[] = ['llm:invoke']): Promise<string> {
  const made = await as(token)('POST', KEYS, { name: 'mine', scopes });
  expect(made.status).toBe(201);
  return made.body.client_id;
}

describe('a secret of a key of another user', () => {
  it('lets one act for them: it takes api_keys:admin, though one hold all that the key holds', async () => {
    const owner = await signedIn(core, { roles: ['operator'] });
    const operator = await signedIn(core, { roles: ['operator'] });
    const admin = await signedIn(core, { roles: ['admin'] });
    const clientId = await makeKey(owner, ['api_keys:read', 'llm:invoke']);
    const byClient = (await core.createClient({ scopes: ['clients:write', 'api_keys:read', 'llm:invoke'] })).apiKey;
    const rotate = (credential: string) =>
      as(credential)('POST', `/api/v1/clients/${clientId}/secrets`, { expire_previous_in_seconds: 60 });
    for (const credential of [operator.token, byClient]) {
      const { status, body } = await rotate(credential);
      expect([status, body.detail]).toEqual([
        403,
        'Making a secret for a client of another user takes "api_keys:admin".',
      ]);
    }
    expect((await as(operator.token)('PATCH', `/api/v1/clients/${clientId}`, { status: 'disabled' })).status).toBe(200);
    expect((await as(operator.token)('PATCH', `/api/v1/clients/${clientId}`, { status: 'active' })).status).toBe(200);
    const made = await rotate(admin.token);
    expect(made.status).toBe(201);
    expect((await as(made.body.api_key)('GET', KEYS)).body.data).toHaveLength(1);
  });

  it('is not shown once more to who may act for others no longer', async () => {
    const owner = await signedIn(core, { roles: ['developer'] });
    const operator = await signedIn(core, { roles: ['operator'] });
    const grant = await buildGrant(core.database, operator.id, { role: 'admin' });
    const clientId = await makeKey(owner);
    const rotate = () =>
      as(operator.token)(
        'POST',
        `/api/v1/clients/${clientId}/secrets`,
        { expire_previous_in_seconds: 60 },
        {
          'idempotency-key': 'acting',
        },
      );
    expect((await rotate()).status).toBe(201);
    await core.database.query('DELETE FROM grants WHERE id = $1', [grant]);
    expect(await rotate()).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
  });
});
