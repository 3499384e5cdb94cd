import { startApp, type TestApp } from '../support/app.js';
import type { InsertedClient } from '../support/insert-client.js';
import { clientToken, post, refresh, signIn, type WireTokens } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';
import { partsOf } from '../support/token-mint.js';

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

const asKey = ({ apiKey }: InsertedClient) => ({ 'x-api-key': apiKey });

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
