import { startApp, type TestApp } from '../support/app.js';
import type { InsertedClient } from '../support/insert-client.js';
import { clientToken, post, refresh, signIn, statusWith, type WireTokens } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';
import { partsOf } from '../support/token-mint.js';

let app: TestApp;
let client: InsertedClient;
let admin: InsertedClient;
let person: Person;
let tokens: WireTokens;

beforeAll(async () => {
  app = await startApp({ settings: { PUBLIC_URL: 'https://gateway.test' } });
  client = await app.createClient({ scopes: ['llm:invoke', 'logs:read'] });
  admin = await app.createClient({ scopes: ['admin'] });
});

afterAll(() => app.stop());

beforeEach(async () => {
  person = await buildUser(app.database);
  tokens = await signIn(app, person);
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const asKey = ({ apiKey }: InsertedClient) => ({ 'x-api-key': apiKey });

function auditOf(action: string, subjectId: string) {
  return app.database.query(`SELECT * FROM audit_logs WHERE action = $1 AND subject_id = $2`, [action, subjectId]);
}

describe('POST /api/v1/auth/revoke', () => {
  const revoke = (body: object | string, headers: Record<string, string>) =>
    post(app, '/api/v1/auth/revoke', body, headers);

  it("ends an access token of one's own, by form or JSON, and no other of the sign-in", async () => {
    const { body } = await refresh(app, tokens.refresh_token);
    expect(await revoke(`token=${tokens.access_token}`, bearer(body.access_token))).toMatchObject({
      status: 200,
      body: null,
    });
    expect(await statusWith(app, tokens.access_token)).toBe(401);
    expect(await statusWith(app, body.access_token)).toBe(200);
    const { jti } = partsOf(tokens.access_token).payload;
    expect(await auditOf('token.revoke', String(jti))).toEqual([
      expect.objectContaining({ actor_id: person.id, details: expect.objectContaining({ kind: 'access_token' }) }),
    ]);
    expect((await revoke({ token: body.access_token }, bearer(body.access_token))).status).toBe(200);
    expect(await statusWith(app, body.access_token)).toBe(401);
    expect((await refresh(app, body.refresh_token)).status).toBe(200);
  });

  it('ends a refresh token with its session and everything of it', async () => {
    const { body } = await refresh(app, tokens.refresh_token);
    expect((await revoke({ token: body.refresh_token }, bearer(body.access_token))).status).toBe(200);
    for (const token of [tokens.access_token, body.access_token]) expect(await statusWith(app, token)).toBe(401);
    expect((await refresh(app, body.refresh_token)).status).toBe(401);
    expect((await revoke({ token: body.refresh_token }, asKey(admin))).status).toBe(200);
  });

  it('ends the short token of a client, and leaves its key', async () => {
    const token = await clientToken(app, client);
    expect((await revoke({ token }, asKey(client))).status).toBe(200);
    expect(await statusWith(app, token)).toBe(401);
    expect(await statusWith(app, client.apiKey)).toBe(200);
    expect(await statusWith(app, await clientToken(app, client))).toBe(200);
  });

  it('is 200 for what is no token that works', async () => {
    for (const token of ['nothing', `${tokens.access_token}.`, 'cnr_', client.apiKey])
      expect(await revoke({ token }, asKey(client))).toMatchObject({ status: 200, body: null });
  });

  it("refuses to end somebody else's, unless tokens:delete is held", async () => {
    const other = await signIn(app, await buildUser(app.database));
    const keeper = await app.createClient({ scopes: ['tokens:delete'] });
    const theirs = await clientToken(app, client);
    for (const token of [other.access_token, other.refresh_token, theirs])
      expect(await revoke({ token }, bearer(tokens.access_token))).toMatchObject({
        status: 403,
        body: { code: 'permission_denied' },
      });
    expect((await revoke({ token: tokens.access_token }, asKey(client))).status).toBe(403);
    expect(await statusWith(app, other.access_token)).toBe(200);
    for (const token of [other.access_token, theirs]) {
      expect((await revoke({ token }, asKey(keeper))).status).toBe(200);
      expect(await statusWith(app, token)).toBe(401);
    }
    expect((await revoke({ token: other.refresh_token }, asKey(keeper))).status).toBe(200);
    expect((await refresh(app, other.refresh_token)).status).toBe(401);
  });
});

describe('revoking all', () => {
  const all = (path: string, headers: Record<string, string> = asKey(admin)) =>
    post(app, `/api/v1${path}`, '', headers);

  it('of a user ends what there is, and not what comes', async () => {
    const second = await signIn(app, person);
    const bystander = await signIn(app, await buildUser(app.database));
    expect((await all(`/users/${person.id}/tokens/revoke-all`)).status).toBe(204);
    for (const each of [tokens, second]) {
      expect(await statusWith(app, each.access_token)).toBe(401);
      expect((await refresh(app, each.refresh_token)).status).toBe(401);
    }
    expect(await statusWith(app, bystander.access_token)).toBe(200);
    expect(await statusWith(app, (await signIn(app, person)).access_token)).toBe(200);
    const sessions = await app.database.query('SELECT end_reason FROM sessions WHERE id = ANY($1)', [
      [tokens.session_id, second.session_id],
    ]);
    expect(sessions).toEqual([{ end_reason: 'ended_by_administrator' }, { end_reason: 'ended_by_administrator' }]);
    expect((await auditOf('token.revoke_all', person.id)).length).toBe(1);
  });

  it('of a client ends its short tokens, and its key gets new ones', async () => {
    const token = await clientToken(app, client);
    expect(await statusWith(app, token)).toBe(200);
    expect((await all(`/clients/${client.clientId}/tokens/revoke-all`)).status).toBe(204);
    expect(await statusWith(app, token)).toBe(401);
    expect(await statusWith(app, client.apiKey)).toBe(200);
    expect(await statusWith(app, await clientToken(app, client))).toBe(200);
    expect((await auditOf('token.revoke_all', client.clientId)).length).toBe(1);
  });

  it('a secret that is revoked takes the tokens with it that may have come of it', async () => {
    const other = await app.createClient();
    const token = await clientToken(app, other);
    expect(await statusWith(app, token)).toBe(200);
    const rotated = await post(
      app,
      `/api/v1/clients/${other.clientId}/secrets`,
      { expire_previous_in_seconds: 0 },
      asKey(admin),
    );
    expect(rotated.status).toBe(201);
    expect(await statusWith(app, token)).toBe(401);
    expect(await statusWith(app, await clientToken(app, { apiKey: String(rotated.body.api_key) }))).toBe(200);
  });

  it('is 404 for nobody', async () => {
    for (const path of [
      '/users/usr_00000000000000000000',
      '/users/nobody',
      '/clients/cn_live_000000000000',
      '/clients/x',
    ])
      expect((await all(`${path}/tokens/revoke-all`)).status).toBe(404);
  });

  it("there are takes the scope admin, and ends everybody's, the caller's too", async () => {
    const keeper = await app.createClient({ scopes: ['tokens:delete'] });
    const token = await clientToken(app, client);
    expect(await all('/tokens/revoke-all', asKey(keeper))).toMatchObject({ status: 403 });
    expect(await statusWith(app, token)).toBe(200);
    const chief = await signIn(app, await buildUser(app.database, { roles: ['owner'] }));
    expect((await all('/tokens/revoke-all', bearer(chief.access_token))).status).toBe(204);
    for (const each of [token, tokens.access_token, chief.access_token]) expect(await statusWith(app, each)).toBe(401);
    for (const each of [tokens.refresh_token, chief.refresh_token]) expect((await refresh(app, each)).status).toBe(401);
    expect(await statusWith(app, (await signIn(app, person)).access_token)).toBe(200);
    expect(await statusWith(app, await clientToken(app, client))).toBe(200);
  });
});
