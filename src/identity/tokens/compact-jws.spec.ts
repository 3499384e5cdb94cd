import { buildMint, compact, type Mint, signedBy } from '../../../test/support/token-mint.js';
import { isSignedBy, readCompactJws, readJsonObject } from './compact-jws.js';

let mint: Mint;
let token: string;

beforeAll(async () => {
  mint = await buildMint();
  token = mint.withClaims({});
});

/** The header given as the very text. */
function withHeaderText(text: string): string {
  return compact(text, mint.payload, signedBy(mint.privateKey));
}

it('takes a token of ours apart, and knows its signature', () => {
  const jws = readCompactJws(token);
  const key = mint.keys.verifier(mint.kid);
  if (jws === null || key === null) throw new Error('It is one of ours.');
  expect(jws.header).toEqual({ kid: mint.kid, typ: 'at+jwt' });
  expect(readJsonObject(jws.payload)).toEqual(mint.payload);
  expect(isSignedBy(jws, key)).toBe(true);
  expect(isSignedBy({ ...jws, input: `${jws.input} ` }, key)).toBe(false);
});

it('takes a header with blanks, and one without typ', () => {
  expect(readCompactJws(withHeaderText('{ "alg" : "ES256",\n "kid":"k" }'))?.header).toEqual({ kid: 'k' });
});

/** Last digits that say the same bytes: 64 bytes leave four bits of the last digit unused. */
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const RESPELLED: readonly [name: string, respell: (token: string) => string][] = [
  ['padding', (text) => `${text}==`],
  ['padding in the middle', (text) => text.replace('.', '=.')],
  ['a blank before', (text) => ` ${text}`],
  ['a blank behind', (text) => `${text} `],
  ['a line end behind', (text) => `${text}\n`],
  ['a blank inside', (text) => `${text.slice(0, 20)} ${text.slice(20)}`],
  ['a tab inside the signature', (text) => `${text.slice(0, -5)}\t${text.slice(-5)}`],
  ['spare bits', (text) => text.slice(0, -1) + DIGITS[DIGITS.indexOf(text.at(-1) ?? '') + 1]],
  ['the other alphabet', (text) => `${text.slice(0, -4)}++//`],
  ['percent-encoding', (text) => text.replaceAll('.', '%2E')],
  ['a NUL', (text) => `${text}\u0000`],
  ['a digit of another script', (text) => text.replace('.', '٠.')],
];

it.each(RESPELLED)('refuses %s', (_name, respell) => {
  const respelled = respell(token);
  expect(respelled).not.toBe(token);
  expect(readCompactJws(respelled)).toBeNull();
});

it.each([
  ['nothing', ''],
  ['dots', '..'],
  ['two parts', 'e30.e30'],
  ['four parts', 'e30.e30.e30.e30'],
  ['five parts, as JWE has', 'e30.e30.e30.e30.e30'],
])('refuses %s', (_name, text) => {
  expect(readCompactJws(text)).toBeNull();
});

it('refuses what is larger than 4 kB, and the part of a token', () => {
  expect(readCompactJws(mint.withClaims({ filler: 'x'.repeat(3_000) }))).toBeNull();
  expect(readCompactJws(token.slice(0, -1))).toBeNull();
  expect(readCompactJws(`${token}AA`)).toBeNull();
  expect(readCompactJws(token.slice(0, token.lastIndexOf('.') + 1))).toBeNull();
  expect(readCompactJws(token.replace(/\.[^.]*\./, '..'))).toBeNull();
});

it.each([
  ['an algorithm twice', '{"alg":"none","alg":"ES256","kid":"k"}'],
  ['the same algorithm twice', '{"alg":"ES256","alg":"ES256","kid":"k"}'],
  ['a name twice, once escaped', '{"alg":"ES256","kid":"a","\\u006bid":"b"}'],
  ['an array', '["ES256"]'],
  ['null', 'null'],
  ['a text', '"ES256"'],
  ['no JSON', '{alg:ES256}'],
  ['a comma too many', '{"alg":"ES256","kid":"k",}'],
  ['no kid', '{"alg":"ES256"}'],
  ['a kid that is a number', '{"alg":"ES256","kid":1}'],
  ['a typ that is a number', '{"alg":"ES256","kid":"k","typ":1}'],
  ['the name of a prototype', '{"alg":"ES256","kid":"k","__proto__":{}}'],
  ['a byte-order mark', '\ufeff{"alg":"ES256","kid":"k"}'],
])('refuses a header with %s', (_name, text) => {
  expect(readCompactJws(withHeaderText(text))).toBeNull();
});

it('refuses a payload that is no JSON object in UTF-8', () => {
  for (const bytes of [Buffer.from([0xff, 0xfe]), Buffer.from('[]'), Buffer.from('1'), Buffer.from('{"a":1,"a":2}')])
    expect(readJsonObject(bytes)).toBeNull();
});
