import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { generatePrivateKey, publicJwkOf, type SigningKey } from '../../src/identity/tokens/signing-key.js';
import { SigningKeys } from '../../src/identity/tokens/signing-keys.service.js';
import { startApp, type TestApp } from '../support/app.js';
import type { InsertedClient } from '../support/insert-client.js';
import { clientToken, signIn, statusWith } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';
import { compact, macedBy, partsOf, signedBy } from '../support/token-mint.js';

/** Tokens as an attacker makes them, sent to a whole server. */
let app: TestApp;
let person: Person;
let client: InsertedClient;
let key: SigningKey;
let header: Record<string, unknown>;
let payload: Record<string, unknown>;

beforeAll(async () => {
  app = await startApp();
  person = await buildUser(app.database, { roles: ['admin'] });
  client = await app.createClient({ scopes: ['logs:read'] });
  key = app.app.get(SigningKeys, { strict: false }).signer();
  ({ header, payload } = partsOf((await signIn(app, person)).access_token));
});

afterAll(() => app.stop());

/** A token of ours but for what is changed; undefined leaves a claim out. Signed by our own key. */
function like(claims: Record<string, unknown>, parameters: Record<string, unknown> = {}): string {
  return compact({ ...header, ...parameters }, { ...payload, ...claims }, signedBy(key.privateKey));
}

async function refusal(token: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${app.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
  const body = (await response.json()) as Record<string, unknown>;
  expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"');
  return { status: response.status, code: body.code, detail: body.detail };
}

const REFUSED = {
  status: 401,
  code: 'invalid_token',
  detail: 'The token is not valid, has expired or was revoked. Get a new one: refresh it, or sign in again.',
};

it('takes a token made just like ours, so that what follows is refused for what it changes', async () => {
  expect(await statusWith(app, like({}))).toBe(200);
});

describe('no signature', () => {
  const spellings = ['none', 'None', 'NONE', 'nOnE', 'none ', '', 'null', 'ES256 ', 'es256', 'ES256\u0000'];

  it.each(spellings)('alg %j is refused, with a signature and without', async (alg) => {
    const unsigned = compact({ ...header, alg }, payload, () => Buffer.alloc(0));
    expect(await refusal(unsigned)).toEqual(REFUSED);
    expect(await refusal(like({}, { alg }))).toEqual(REFUSED);
    expect(await refusal(compact({ ...header, alg }, payload, () => Buffer.alloc(64)))).toEqual(REFUSED);
  });

  it.each([null, undefined, true, 256, ['ES256'], { name: 'ES256' }])('alg %j is refused', async (alg) => {
    expect(await refusal(like({}, { alg }))).toEqual(REFUSED);
  });

  it('no algorithm but its own is taken, though the signature be right', async () => {
    for (const alg of ['ES384', 'ES512', 'ES256K', 'RS256', 'PS256', 'EdDSA', 'HS256', 'HS512', 'dir', 'A128KW'])
      expect(await refusal(like({}, { alg }))).toEqual(REFUSED);
  });

  it('is none of zeros, of r = 0 or s = 0, or of the order of the curve', async () => {
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
    const zero = Buffer.alloc(32);
    const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);
    for (const [r, s] of [
      [zero, zero],
      [one, zero],
      [zero, one],
      [order, order],
      [order, one],
      [one, order],
    ] as const)
      expect(await refusal(compact(header, payload, () => Buffer.concat([r, s])))).toEqual(REFUSED);
  });
});

describe('the public key as a secret', () => {
  it('signs nothing, as PEM, DER or JWK, by any HMAC', async () => {
    const publicKey = createPublicKey(key.privateKey);
    const secrets = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      String(publicKey.export({ type: 'spki', format: 'pem' })).trim(),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(key.publicJwk),
      key.publicJwk.x,
      Buffer.from(key.publicJwk.x, 'base64url'),
      key.kid,
      '',
    ];
    for (const secret of secrets)
      for (const alg of ['HS256', 'ES256'])
        expect(await refusal(compact({ ...header, alg }, payload, macedBy(secret)))).toEqual(REFUSED);
  });

  it('of RSA verifies nothing either', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const forged = compact({ ...header, alg: 'RS256' }, payload, (input) => signedBy(privateKey)(input));
    expect(await refusal(forged)).toEqual(REFUSED);
  });
});

describe('a key that the token brings along', () => {
  const own = generatePrivateKey();
  const jwk = publicJwkOf(own);
  const forge = (parameters: Record<string, unknown>) => compact({ ...header, ...parameters }, payload, signedBy(own));

  it.each<[string, Record<string, unknown>]>([
    ['jwk', { jwk }],
    ['jwk under our kid', { jwk: { ...jwk, kid: 'ours' } }],
    ['jku', { jku: 'http://127.0.0.1:1/jwks.json' }],
    ['jku of ours', { jku: 'http://localhost/.well-known/jwks.json', kid: jwk.kid }],
    ['x5u', { x5u: 'http://127.0.0.1:1/cert.pem' }],
    ['x5c', { x5c: ['MIIB'] }],
    ['x5t', { x5t: 'AAAA' }],
    ['its own kid', { kid: jwk.kid }],
    ['none of these', {}],
  ])('%s is not used', async (_name, parameters) => {
    expect(await refusal(forge(parameters))).toEqual(REFUSED);
  });

  it.each<[string, Record<string, unknown>]>([
    ['jwk', { jwk }],
    ['crit', { crit: ['exp'] }],
    ['crit of b64', { crit: ['b64'], b64: false }],
    ['b64', { b64: false }],
    ['zip', { zip: 'DEF' }],
    ['cty', { cty: 'JWT' }],
    ['enc', { enc: 'A128GCM' }],
    ['an unknown parameter', { extra: 1 }],
  ])('nor is our own signature taken beside %s', async (_name, parameters) => {
    expect(await refusal(like({}, parameters))).toEqual(REFUSED);
  });

  it('nor is it beside our own key as jwk', async () => {
    expect(await refusal(like({}, { jwk: key.publicJwk }))).toEqual(REFUSED);
  });
});

describe('kid', () => {
  it.each([
    '../../../../dev/null',
    '/dev/null',
    'file:///etc/passwd',
    "' UNION SELECT 'AAAA' --",
    "1' OR '1'='1",
    '$(id)',
    '|/bin/true',
    '__proto__',
    'constructor',
    'toString',
    '',
    '\u0000',
    'a'.repeat(2_000),
  ])('%j names no key', async (kid) => {
    for (const signature of [signedBy(key.privateKey), macedBy(''), macedBy('\u0000')])
      expect(await refusal(compact({ ...header, kid }, payload, signature))).toEqual(REFUSED);
  });

  it('of another form than a text names none', async () => {
    for (const kid of [null, 1, true, [key.kid], { kid: key.kid }, undefined])
      expect(await refusal(like({}, { kid }))).toEqual(REFUSED);
    expect(await refusal(like({}, { kid: `${key.kid} ` }))).toEqual(REFUSED);
    expect(await refusal(like({}, { kid: key.kid.toLowerCase() }))).toEqual(REFUSED);
  });
});

describe('another kind of token', () => {
  it.each([
    'JWT',
    'jwt',
    'application/at+jwt',
    'AT+JWT',
    'at+JWT',
    ' at+jwt',
    'dpop+jwt',
    'logout+jwt',
    'id+jwt',
    '',
    null,
  ])('of typ %j is none', async (typ) => {
    expect(await refusal(like({}, { typ: typ as string }))).toEqual(REFUSED);
  });

  it('an id token is none, though it is ours: no typ, the client as audience, a nonce', async () => {
    const claims = { aud: 'core-nest', nonce: 'n', at_hash: 'h', email: person.email };
    expect(await refusal(like(claims, { typ: undefined }))).toEqual(REFUSED);
    expect(await refusal(like({ ...claims, client_id: undefined }))).toEqual(REFUSED);
  });

  it('a token inside a token is none', async () => {
    const inner = like({});
    const nested = compact({ ...header, cty: 'JWT' }, JSON.stringify(inner), signedBy(key.privateKey));
    expect(await refusal(nested)).toEqual(REFUSED);
  });
});

describe('odd claims', () => {
  const now = Math.floor(Date.now() / 1000);

  it.each<[string, Record<string, unknown>]>([
    ['exp as text', { exp: String(now + 600) }],
    ['exp below zero', { exp: -1 }],
    ['exp as a fraction', { exp: now + 600.5 }],
    ['exp beyond all numbers', { exp: 1e308 }],
    ['exp a year ahead', { exp: now + 31_536_000 }],
    ['no exp', { exp: undefined }],
    ['exp past', { exp: now - 60, iat: now - 120 }],
    ['iat an hour ahead', { iat: now + 3_600, exp: now + 3_700 }],
    ['nbf ahead', { nbf: now + 3_600 }],
    ['auth_time ahead', { auth_time: now + 3_600 }],
    ['aud as an array', { aud: ['core-nest'] }],
    ['aud and more', { aud: ['core-nest', 'https://other.test'] }],
    ['another aud', { aud: 'https://other.test' }],
    ['no aud', { aud: undefined }],
    ['another issuer with our sub', { iss: 'https://accounts.google.com' }],
    ['no issuer', { iss: undefined }],
    ['no sub', { sub: undefined }],
    ['no client_id', { client_id: undefined }],
    ['no jti', { jti: undefined }],
    ['no session', { sid: undefined }],
    ['no epoch', { cn_epoch: undefined }],
    ['an epoch that is to come', { cn_epoch: '1.0' }],
    ['an epoch that is to come for the user', { cn_epoch: '0.1' }],
    ['a session that never was', { sid: 'ses_00000000000000000000' }],
    ['a user that never was', { sub: 'usr_00000000000000000000' }],
  ])('%s', async (_name, claims) => {
    expect(await refusal(like(claims))).toEqual(REFUSED);
  });

  it("the session of one user is not another's", async () => {
    const other = await buildUser(app.database);
    const { session_id } = await signIn(app, other);
    expect(await refusal(like({ sid: session_id }))).toEqual(REFUSED);
    expect(await refusal(like({ sub: other.id }))).toEqual(REFUSED);
    expect(await statusWith(app, like({ sub: other.id, sid: session_id }))).toBe(200);
  });

  it('a user is no client, and a client no user', async () => {
    expect(await refusal(like({ sub: client.clientId }))).toEqual(REFUSED);
    expect(await refusal(like({ client_id: client.clientId }))).toEqual(REFUSED);
    const ofClient = partsOf(await clientToken(app, client)).payload;
    expect(await refusal(like({ ...ofClient, sub: person.id }))).toEqual(REFUSED);
    expect(await refusal(like({ ...ofClient, client_id: 'core-nest' }))).toEqual(REFUSED);
  });

  it('a name twice is refused, whichever of the two a reader would take', async () => {
    const text = JSON.stringify(payload);
    const twice = `${text.slice(0, -1)},"sub":${JSON.stringify(payload.sub)}}`;
    expect(await refusal(compact(header, twice, signedBy(key.privateKey)))).toEqual(REFUSED);
  });

  it('scopes that were never held give nothing', async () => {
    const token = compact(
      header,
      { ...partsOf(await clientToken(app, client)).payload, scope: 'admin logs:read' },
      signedBy(key.privateKey),
    );
    const response = await fetch(`${app.url}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
    expect(((await response.json()) as { scopes: string[] }).scopes).toEqual(['logs:read']);
    expect(await statusWith(app, token, '/api/v1/clients')).toBe(403);
  });
});
