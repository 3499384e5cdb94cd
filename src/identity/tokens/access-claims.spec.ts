import { buildMint, type Mint, USER_ID } from '../../../test/support/token-mint.js';
import { claimsOf } from './access-claims.js';

const EXPECTED = { issuer: 'https://gateway.test', audience: 'core-nest' };
const CLIENT_ID = 'cn_live_0123456789AB';

let mint: Mint;
let now: number;

beforeAll(async () => {
  mint = await buildMint();
  now = mint.clock.now() / 1000;
});

function claims(changes: Record<string, unknown>, base: Record<string, unknown> = mint.payload) {
  return claimsOf({ ...base, ...changes }, EXPECTED, mint.clock.now());
}

it('takes what is right to the letter', () => {
  expect(claims({})).toMatchObject({ sub: USER_ID, scopes: null });
  expect(claims({ nbf: now, extra: 'ignored', amr: undefined })).toMatchObject({ sub: USER_ID, amr: [] });
  expect(claims({ iat: now + 5, auth_time: now + 5, nbf: now + 5 })).not.toBeNull();
  expect(claims({ scope: '' })).toMatchObject({ scopes: [] });
});

/** Each as it is changed; undefined leaves the claim out. */
const WRONG: readonly [name: string, changes: Record<string, unknown>][] = [
  ...['iss', 'aud', 'sub', 'client_id', 'jti', 'iat', 'exp', 'cn_epoch', 'sid', 'auth_time'].map(
    (name): [string, Record<string, unknown>] => [`no ${name}`, { [name]: undefined }],
  ),
  ['another issuer', { iss: 'https://other.test' }],
  ['the issuer with a slash', { iss: 'https://gateway.test/' }],
  ['an issuer in an array', { iss: ['https://gateway.test'] }],
  ['another audience', { aud: 'other' }],
  ['an audience in other letters', { aud: 'Core-Nest' }],
  ['an array of the audience', { aud: ['core-nest'] }],
  ['an array of the audience and more', { aud: ['core-nest', 'other'] }],
  ['an empty array of audiences', { aud: [] }],
  ['an empty subject', { sub: '' }],
  ['a subject that is a number', { sub: 1 }],
  ['a subject of another form', { sub: 'auth0|1234' }],
  ['a subject that contains one', { sub: `${USER_ID} ` }],
  ['a user with the id of a client', { client_id: CLIENT_ID }],
  ['exp as text', { exp: '9999999999' }],
  ['exp as a fraction', { exp: 1_767_226_000.5 }],
  ['exp below zero', { exp: -1 }],
  ['exp zero', { exp: 0 }],
  ['exp null', { exp: null }],
  ['exp beyond all numbers', { exp: 1e300 }],
  ['exp past', { exp: 1_767_225_599 }],
  ['exp now', { exp: 1_767_225_600 }],
  ['exp before iat', { iat: 1_767_225_604, exp: 1_767_225_603 }],
  ['a life of more than an hour', { exp: 1_767_225_600 + 3_601 }],
  ['iat in the future', { iat: 1_767_225_606 }],
  ['iat as text', { iat: '1767225600' }],
  ['iat below zero', { iat: -5, exp: 1_767_225_700 }],
  ['nbf in the future', { nbf: 1_767_225_606 }],
  ['nbf as text', { nbf: '1' }],
  ['auth_time in the future', { auth_time: 1_767_225_606 }],
  ['auth_time as text', { auth_time: '1' }],
  ['a jti of another form', { jti: 'a' }],
  ['a jti in an array', { jti: ['AAAAAAAAAAAAAAAAAAAAAA'] }],
  ['an epoch without parts', { cn_epoch: '1' }],
  ['an epoch that is a number', { cn_epoch: 1.1 }],
  ['a session of another form', { sid: 'ses_1' }],
  ['scope as an array', { scope: ['admin'] }],
  ['scope with two blanks', { scope: 'a  b' }],
  ['too many scopes', { scope: 'a '.repeat(200).trim() }],
  ['amr as text', { amr: 'pwd' }],
  ['amr with numbers', { amr: [1] }],
];

it.each(WRONG)('refuses %s', (_name, changes) => {
  expect(claims(changes)).toBeNull();
});

describe('of a client', () => {
  const ofClient = { client_id: CLIENT_ID, sub: CLIENT_ID, sid: undefined, auth_time: undefined, amr: undefined };

  it('takes its own', () => {
    expect(claims(ofClient)).toMatchObject({ subjectKind: 'client', clientId: CLIENT_ID, sessionId: null });
  });

  it.each([
    ['another client_id', { client_id: 'cn_live_BA9876543210' }],
    ['the client_id of users', { client_id: 'core-nest' }],
    ['a session', { sid: 'ses_0123456789ABCDEFGHIJ' }],
    ['a time of sign-in', { auth_time: 1_767_225_600 }],
    ['an id that is longer', { sub: `${CLIENT_ID}0`, client_id: `${CLIENT_ID}0` }],
  ])('refuses %s', (_name, changes) => {
    expect(claims({ ...ofClient, ...changes })).toBeNull();
  });
});
