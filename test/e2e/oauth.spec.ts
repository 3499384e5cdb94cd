import { createPublicKey, verify } from 'node:crypto';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';
import { basicOf, clientToken, post, signIn, statusWith, type WireTokens } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';
import { RawConnection } from '../support/raw-http.js';
import { partsOf } from '../support/token-mint.js';

const GRANT = 'grant_type=client_credentials';

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

  it('gives nothing for a secret that was revoked before the body came', async () => {
    const leaked = await app.createClient({ scopes: ['llm:invoke'] });
    expect(await clientToken(app, leaked)).toBeTruthy();
    const connection = await RawConnection.open(app.port);
    const head = [
      'POST /oauth/token HTTP/1.1',
      'Host: x',
      `Authorization: Bearer ${leaked.apiKey}`,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${GRANT.length}`,
      'Expect: 100-continue',
    ];
    connection.send(`${head.join('\r\n')}\r\n\r\n`);
    try {
      expect((await connection.response())?.status).toBe(100);
      expect(await statusWith(app, leaked.apiKey)).toBe(200);
      await app.database.query('UPDATE client_secrets SET revoked_at = now() WHERE client_id = $1', [leaked.clientId]);
      await eventually(async () => (await statusWith(app, leaked.apiKey)) === 401);
      connection.send(GRANT);
      const answer = await connection.response();
      expect({ status: answer?.status, ...JSON.parse(answer?.body ?? '{}') }).toMatchObject({
        status: 401,
        error: 'invalid_client',
      });
    } finally {
      connection.close();
    }
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
