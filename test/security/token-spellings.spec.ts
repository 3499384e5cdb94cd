import { startApp, type TestApp } from '../support/app.js';
import { post, signIn, statusWith } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';

let app: TestApp;
let person: Person;

beforeAll(async () => {
  app = await startApp();
  person = await buildUser(app.database);
});

afterAll(() => app.stop());

describe('other spellings of a token', () => {
  const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

  /** The same bytes written otherwise, as lenient readers take them; each may travel in a header. */
  const RESPELLED: readonly [string, (token: string) => string][] = [
    ['padding', (token) => `${token}==`],
    ['padding in the middle', (token) => token.replace('.', '=.')],
    ['a blank inside', (token) => `${token.slice(0, 30)} ${token.slice(30)}`],
    ['a tab inside', (token) => `${token.slice(0, -5)}\t${token.slice(-5)}`],
    ['spare bits', (token) => token.slice(0, -1) + DIGITS[DIGITS.indexOf(token.at(-1) ?? '') + 1]],
    ['the other alphabet', (token) => token.replaceAll('-', '+').replaceAll('_', '/').replace(/\.$/, '')],
    ['a point too many', (token) => `${token}.`],
  ];

  it('are refused, or the very same token: what was revoked stays revoked', async () => {
    const { access_token: token } = await signIn(app, person);
    for (const [, respell] of RESPELLED) {
      const respelled = respell(token);
      if (respelled !== token) expect(await statusWith(app, respelled)).toBe(401);
    }
    expect(await statusWith(app, token)).toBe(200);
    expect((await post(app, '/api/v1/auth/revoke', { token }, { authorization: `Bearer ${token}` })).status).toBe(200);
    for (const each of [token, ` ${token}`, `${token} `, ...RESPELLED.map(([, respell]) => respell(token))])
      expect(await statusWith(app, each)).toBe(401);
  });

  it('the other signature that ECDSA allows is good for the same jti, and ends with it', async () => {
    const { access_token: token } = await signIn(app, person);
    const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
    const s = ORDER - BigInt(`0x${signature.subarray(32).toString('hex')}`);
    const other = Buffer.concat([signature.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
    const twin = `${token.slice(0, token.lastIndexOf('.'))}.${other.toString('base64url')}`;
    expect(await statusWith(app, twin)).toBe(200);
    await post(app, '/api/v1/auth/revoke', { token }, { authorization: `Bearer ${token}` });
    expect(await statusWith(app, twin)).toBe(401);
    expect(await statusWith(app, token)).toBe(401);
  });

  it('the scheme is bearer in any letters, and nothing else', async () => {
    const { access_token: token } = await signIn(app, person);
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const response = await fetch(`${app.url}/api/v1/whoami`, { headers: { authorization: `${scheme} ${token}` } });
      expect(response.status).toBe(200);
    }
    for (const value of [token, `Token ${token}`, `Basic ${token}`, `JWT ${token}`, `Bearer${token}`])
      expect((await fetch(`${app.url}/api/v1/whoami`, { headers: { authorization: value } })).status).toBe(401);
    expect((await fetch(`${app.url}/api/v1/whoami?access_token=${token}`)).status).toBe(401);
  });
});
