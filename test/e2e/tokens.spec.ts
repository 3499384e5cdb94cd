import { createPublicKey, verify } from 'node:crypto';
import { startApp, type TestApp } from '../support/app.js';
import type { InsertedClient } from '../support/insert-client.js';
import { basicOf, clientToken, post, refresh, signIn, statusWith, type WireTokens } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';
import { partsOf } from '../support/token-mint.js';

const GRANT = 'grant_type=client_credentials';

let app: TestApp;
let client: InsertedClient;
let reader: InsertedClient;
let admin: InsertedClient;
let person: Person;
let tokens: WireTokens;

beforeAll(async () => {
  app = await startApp({ settings: { PUBLIC_URL: 'https://gateway.test' } });
  client = await app.createClient({ scopes: ['llm:invoke', 'logs:read'] });
  reader = await app.createClient({ scopes: ['tokens:read'] });
  admin = await app.createClient({ scopes: ['admin'] });
});

afterAll(() => app.stop());

beforeEach(async () => {
  person = await buildUser(app.database);
  tokens = await signIn(app, person);
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const asKey = ({ apiKey }: InsertedClient) => ({ 'x-api-key': apiKey });

async function scopesOf(token: string): Promise<unknown> {
  const response = await fetch(`${app.url}/api/v1/whoami`, { headers: bearer(token) });
  return ((await response.json()) as Record<string, unknown>).scopes;
}

function auditOf(action: string, subjectId: string) {
  return app.database.query(`SELECT * FROM audit_logs WHERE action = $1 AND subject_id = $2`, [action, subjectId]);
}

describe('POST /oauth/token', () => {
  it('gives a client a token for ten minutes, by Basic, and records it', async () => {
    const { status, headers, body } = await post(app, '/oauth/token', GRANT, basicOf(client));
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('pragma')).toBe('no-cache');
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 600,
      scope: 'llm:invoke logs:read',
    });
    const { payload } = partsOf(String(body.access_token));
    expect(payload).toMatchObject({ sub: client.clientId, client_id: client.clientId, scope: 'llm:invoke logs:read' });
    expect(payload).not.toHaveProperty('sid');
    expect(await auditOf('token.issue', String(payload.jti))).toEqual([
      expect.objectContaining({
        actor_id: client.clientId,
        details: expect.objectContaining({ client_id: client.clientId, scopes: ['llm:invoke', 'logs:read'] }),
      }),
    ]);
  });

  it.each([
    ['Bearer', () => bearer(client.apiKey)],
    ['X-API-Key', () => asKey(client)],
  ])('gives it by %s as well', async (_name, headers) => {
    expect((await post(app, '/oauth/token', GRANT, headers())).status).toBe(200);
  });

  it('narrows it to what is asked for, and to what the client still holds', async () => {
    const broad = await app.createClient({ scopes: ['clients:admin', 'logs:read'] });
    const token = await clientToken(app, broad, 'clients:read logs:read logs:read');
    expect(partsOf(token).payload.scope).toBe('clients:read logs:read');
    expect(await scopesOf(token)).toEqual(['clients:read', 'logs:read']);
    const response = await fetch(`${app.url}/api/v1/clients/${broad.clientId}`, {
      method: 'PATCH',
      headers: { ...asKey(admin), 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['logs:read'] }),
    });
    expect(response.status).toBe(200);
    expect(await scopesOf(token)).toEqual(['logs:read']);
  });

  it('ends with the client, whatever comes first', async () => {
    const ending = await app.createClient({ expiresAt: new Date(Date.now() + 60_000) });
    const { body } = await post(app, '/oauth/token', GRANT, basicOf(ending));
    expect(body.expires_in).toBeGreaterThan(50);
    expect(body.expires_in).toBeLessThanOrEqual(60);
    expect(await statusWith(app, String(body.access_token))).toBe(200);
    await app.database.query(`UPDATE clients SET status = 'disabled' WHERE client_id = $1`, [ending.clientId]);
    let last = 0;
    for (let n = 0; n < 50 && last !== 401; n++) last = await statusWith(app, String(body.access_token));
    expect(last).toBe(401);
  });

  it.each<[string, string, Record<string, unknown>]>([
    ['no grant type', 'scope=logs:read', { error: 'invalid_request' }],
    ['another grant type', 'grant_type=authorization_code', { error: 'unsupported_grant_type' }],
    ['a password grant', 'grant_type=password&username=a&password=b', { error: 'unsupported_grant_type' }],
    ['a scope not held', `${GRANT}&scope=llm:invoke+admin`, { error: 'invalid_scope' }],
    ['an odd scope', `${GRANT}&scope=%22`, { error: 'invalid_scope' }],
    ['two blanks in the scope', `${GRANT}&scope=llm:invoke++logs:read`, { error: 'invalid_scope' }],
    ['another audience', `${GRANT}&audience=https://other.test`, { error: 'invalid_target' }],
    ['another resource', `${GRANT}&resource=https://other.test`, { error: 'invalid_target' }],
    ['a secret in the body', `${GRANT}&client_secret=x`, { error: 'invalid_request' }],
    ['an assertion in the body', `${GRANT}&client_assertion=x`, { error: 'invalid_request' }],
    ['another client in the body', `${GRANT}&client_id=cn_live_000000000000`, { error: 'invalid_request' }],
    ['a parameter twice', `${GRANT}&${GRANT}`, { error: 'invalid_request' }],
  ])('refuses %s as RFC 6749 says', async (_name, form, error) => {
    const { status, headers, body } = await post(app, '/oauth/token', form, basicOf(client));
    expect(status).toBe(400);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({ ...error, error_description: expect.any(String), request_id: expect.any(String) });
    expect(body.error_description).not.toContain('x\n');
  });

  it('takes what says the same once more: its own id, this service, an unknown parameter', async () => {
    const form = `${GRANT}&client_id=${client.clientId}&audience=core-nest&resource=https://gateway.test&extra=1&scope=`;
    expect((await post(app, '/oauth/token', form, basicOf(client))).status).toBe(200);
  });

  it('reads no credential in the body', async () => {
    const secret = client.apiKey.slice(client.clientId.length + 1);
    const form = `${GRANT}&client_id=${client.clientId}&client_secret=${secret}`;
    const { status, headers, body } = await post(app, '/oauth/token', form);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toContain('Basic realm="core-nest"');
    expect(body).toMatchObject({ error: 'invalid_client', error_description: expect.stringContaining('HTTP Basic') });
    expect(JSON.stringify(body)).not.toContain(secret);
  });

  it('is a JSON document to nobody', async () => {
    const { status, body } = await post(app, '/oauth/token', { grant_type: 'client_credentials' }, basicOf(client));
    expect({ status, error: body.error }).toEqual({ status: 415, error: 'invalid_request' });
  });

  it('trades no token for another, and gives users none', async () => {
    for (const token of [await clientToken(app, client), tokens.access_token]) {
      const { status, body } = await post(app, '/oauth/token', GRANT, bearer(token));
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'unauthorized_client' });
    }
    const byot = await post(app, '/oauth/token', GRANT, { 'x-provider-token': 'sk-of-the-caller' });
    expect({ status: byot.status, error: byot.body.error }).toEqual({ status: 403, error: 'unauthorized_client' });
  });

  it('is refused to a wrong secret, a wrong token and two credentials at once', async () => {
    const wrong = await post(app, '/oauth/token', GRANT, bearer(`${client.apiKey.slice(0, -1)}!`));
    expect({ status: wrong.status, error: wrong.body.error }).toEqual({ status: 401, error: 'invalid_client' });
    const two = await post(app, '/oauth/token', GRANT, { ...basicOf(client), ...asKey(client) });
    expect({ status: two.status, error: two.body.error }).toEqual({ status: 400, error: 'invalid_request' });
  });
});

describe('the documents of OAuth', () => {
  it('say where everything is, and may be kept for five minutes', async () => {
    const response = await fetch(`${app.url}/.well-known/oauth-authorization-server`);
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toEqual({
      issuer: 'https://gateway.test',
      jwks_uri: 'https://gateway.test/.well-known/jwks.json',
      token_endpoint: 'https://gateway.test/oauth/token',
      revocation_endpoint: 'https://gateway.test/api/v1/auth/revoke',
      introspection_endpoint: 'https://gateway.test/api/v1/auth/introspect',
      grant_types_supported: ['client_credentials'],
      response_types_supported: [],
      scopes_supported: expect.arrayContaining(['llm:invoke', 'admin']),
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      revocation_endpoint_auth_methods_supported: ['client_secret_basic'],
      introspection_endpoint_auth_methods_supported: ['client_secret_basic'],
    });
  });

  it('hold the key that anybody verifies a token with', async () => {
    const { keys } = (await (await fetch(`${app.url}/.well-known/jwks.json`)).json()) as {
      keys: Record<string, string>[];
    };
    const { header } = partsOf(tokens.access_token);
    const jwk = keys.find(({ kid }) => kid === header.kid);
    const [head, payload, signature] = tokens.access_token.split('.');
    const key = { key: createPublicKey({ key: jwk ?? {}, format: 'jwk' }), dsaEncoding: 'ieee-p1363' as const };
    const signed = Buffer.from(`${head}.${payload}`);
    expect(verify('sha256', signed, key, Buffer.from(signature ?? '', 'base64url'))).toBe(true);
  });
});

describe('POST /api/v1/auth/introspect', () => {
  const ask = (body: object | string, headers: Record<string, string> = asKey(reader)) =>
    post(app, '/api/v1/auth/introspect', body, headers);

  it('says of a good token whose it is, asked by form or by JSON', async () => {
    const { payload } = partsOf(tokens.access_token);
    const told = {
      active: true,
      iss: 'https://gateway.test',
      aud: 'core-nest',
      sub: person.id,
      client_id: 'core-nest',
      token_type: 'Bearer',
      jti: payload.jti,
      sid: tokens.session_id,
      iat: payload.iat,
      exp: payload.exp,
      auth_time: payload.auth_time,
    };
    const asked = await ask({ token: tokens.access_token, token_type_hint: 'access_token' });
    expect(asked.body).toEqual(told);
    expect(asked.headers.get('cache-control')).toBe('no-store');
    expect((await ask(`token=${tokens.access_token}&token_type_hint=refresh_token&extra=1`)).body).toEqual(told);
    expect((await ask({ token: tokens.refresh_token })).body).toMatchObject({
      active: true,
      sub: person.id,
      token_type: 'refresh_token',
      sid: tokens.session_id,
    });
    expect((await ask({ token: await clientToken(app, client, 'logs:read') })).body).toMatchObject({
      active: true,
      sub: client.clientId,
      client_id: client.clientId,
      scope: 'logs:read',
    });
  });

  it('looking at a refresh token does not use it', async () => {
    await ask({ token: tokens.refresh_token });
    expect((await refresh(app, tokens.refresh_token)).status).toBe(200);
    expect((await ask({ token: tokens.refresh_token })).body).toEqual({ active: false });
  });

  it.each<[string, () => string | Promise<string>]>([
    ['no token', () => 'nothing'],
    ['an api key', () => client.apiKey],
    ['a forged token', () => `${tokens.access_token.slice(0, -4)}AAAA`],
    ['a token with a blank', () => `${tokens.access_token} `],
  ])('says nothing of %s', async (_name, token) => {
    expect((await ask({ token: await token() })).body).toEqual({ active: false });
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'its session ended',
      () => app.database.query('UPDATE sessions SET ended_at = now() WHERE id = $1', [tokens.session_id]),
    ],
    [
      'its user was suspended',
      () => app.database.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [person.id]),
    ],
    ['its user was removed', () => app.database.query('DELETE FROM users WHERE id = $1', [person.id])],
    [
      'all tokens of its user were revoked',
      () => post(app, `/api/v1/users/${person.id}/tokens/revoke-all`, '', asKey(admin)),
    ],
  ])('says nothing of a token when %s', async (_name, end) => {
    expect((await ask({ token: tokens.access_token })).body.active).toBe(true);
    await end();
    let body: Record<string, unknown> = {};
    for (let n = 0; n < 100 && body.active !== false; n++) ({ body } = await ask({ token: tokens.access_token }));
    expect(body).toEqual({ active: false });
    expect((await ask({ token: tokens.refresh_token })).body).toEqual({ active: false });
  });

  it('says nothing of a token of a client that is disabled or gone', async () => {
    const other = await app.createClient();
    const token = await clientToken(app, other);
    expect((await ask({ token })).body.active).toBe(true);
    await fetch(`${app.url}/api/v1/clients/${other.clientId}`, { method: 'DELETE', headers: asKey(admin) });
    expect((await ask({ token })).body).toEqual({ active: false });
  });

  it('takes the permission tokens:read, and a token', async () => {
    expect((await ask({ token: tokens.access_token }, asKey(client))).status).toBe(403);
    expect((await ask({ token: tokens.access_token }, {})).status).toBe(401);
    for (const body of [{}, { token: '' }, { token: 1 }, { token: 'a', other: 1 }, 'token=', 'token=a&token=b'])
      expect((await ask(body)).status).toBe(400);
  });
});

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
