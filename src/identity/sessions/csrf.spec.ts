import { CsrfError } from '../../kernel/identity-errors.js';
import { Secret } from '../../kernel/secret.js';
import { assertOwnPage, csrfTokenOf, type PageRequest } from './csrf.js';

const OWN = 'https://core.example.com';
const secret = new Secret('the secret of a session');
const TOKEN = csrfTokenOf(secret);

const ask = (headers: PageRequest['headers'], method = 'POST') =>
  assertOwnPage({ method, headers: { host: 'core.example.com', ...headers } }, secret, OWN);

describe('the CSRF token', () => {
  it('is of its session alone, and not the secret', () => {
    expect(TOKEN).toMatch(/^[\w-]{43}$/);
    expect(csrfTokenOf(new Secret('the secret of a session'))).toBe(TOKEN);
    expect(csrfTokenOf(new Secret('another secret'))).not.toBe(TOKEN);
  });

  it.each(['GET', 'HEAD', 'OPTIONS'])('is not asked for by %s', (method) => {
    expect(() => ask({ origin: 'https://evil.example' }, method)).not.toThrow();
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'post', 'PROPFIND'])('is asked for by %s', (method) => {
    expect(() => ask({}, method)).toThrow(CsrfError);
    expect(() => ask({ 'x-csrf-token': TOKEN }, method)).not.toThrow();
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['another of the same length', csrfTokenOf(new Secret('another secret'))],
    ['cut', TOKEN.slice(0, -1)],
    ['longer', `${TOKEN}A`],
    ['sent twice', `${TOKEN}, ${TOKEN}`],
    ['a list', [TOKEN]],
    ['in another case', TOKEN.toLowerCase()],
    ['of as many characters, but more bytes', `${TOKEN.slice(0, -1)}ä`],
  ])('is refused when it is %s', (_, token) => {
    expect(() => ask({ 'x-csrf-token': token })).toThrow(
      'Requests that change something need the header X-CSRF-Token beside a session cookie. Get it from GET /api/v1/auth/csrf.',
    );
  });
});

describe('where a request comes from', () => {
  it.each([
    ['the page itself', { 'sec-fetch-site': 'same-origin', origin: OWN }],
    ['the person', { 'sec-fetch-site': 'none' }],
    ['no browser', {}],
    ['a page under the name it was asked by', { origin: 'http://core.local:3000', host: 'core.local:3000' }],
  ])('is right: %s', (_, headers) => {
    expect(() => ask({ 'x-csrf-token': TOKEN, ...headers })).not.toThrow();
  });

  it.each<[string, PageRequest['headers']]>([
    ['another site', { 'sec-fetch-site': 'cross-site', origin: OWN }],
    ['a sister host', { 'sec-fetch-site': 'same-site', origin: OWN }],
    ['an unknown word', { 'sec-fetch-site': 'same-origin, cross-site' }],
    ['two words', { 'sec-fetch-site': ['same-origin'] }],
    ['another origin', { origin: 'https://evil.example' }],
    ['an origin that begins alike', { origin: `${OWN}.evil.example` }],
    ['another port', { origin: `${OWN}:8443` }],
    ['an opaque origin', { origin: 'null' }],
    ['no host to compare with', { origin: 'https://undefined', host: undefined }],
    ['a list of origins', { origin: [OWN] }],
  ])('is wrong: %s', (_, headers) => {
    expect(() => ask({ 'x-csrf-token': TOKEN, ...headers })).toThrow(CsrfError);
  });
});
