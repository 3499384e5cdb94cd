import { AmbiguousCredentialsError, InvalidRequestError } from '../../kernel/app-error.js';
import { Secret } from '../../kernel/secret.js';
import { bearerJwtOf, readCredentialHeaders } from './credential-headers.js';

const IDENTITY_HEADERS = ['Authorization', 'X-API-Key', 'api-key', 'x-goog-api-key'];
const COOKIE = { userId: 'usr', sessionId: 'ses', secret: new Secret('s') };
const read = (...lines: [string, string][]) =>
  readCredentialHeaders({ rawHeaders: lines.flat(), method: 'GET', headers: {} }, (rawHeaders) =>
    rawHeaders.includes('session') ? COOKIE : null,
  );

describe('readCredentialHeaders', () => {
  it.each(IDENTITY_HEADERS)('reads %s in any case', (name) => {
    for (const spelling of [name, name.toLowerCase(), name.toUpperCase()]) {
      expect(read(['Host', 'x'], [spelling, 'value']).identity?.value.reveal()).toBe('value');
    }
  });

  it.each(IDENTITY_HEADERS.flatMap((one) => IDENTITY_HEADERS.map((other) => [one, other])))(
    'refuses %s beside %s',
    (one, other) => {
      expect(() => read([one as string, 'a'], ['Accept', '*/*'], [other as string, 'a'])).toThrow(
        AmbiguousCredentialsError,
      );
    },
  );

  it.each(['X-Provider-Token', 'X-Provider'])('refuses %s twice', (name) => {
    expect(() => read([name, 'openai'], [name, 'openai'])).toThrow(AmbiguousCredentialsError);
  });

  it('counts an empty header as presented', () => {
    expect(read(['X-API-Key', '']).identity?.value.reveal()).toBe('');
    expect(() => read(['X-API-Key', ''], ['Authorization', 'Bearer x'])).toThrow(AmbiguousCredentialsError);
  });

  it('reads a provider token beside an identity and without one', () => {
    const both = read(['Authorization', 'Bearer k'], ['X-Provider-Token', 'sk-1'], ['X-Provider', 'anthropic']);
    expect(both.identity?.header).toBe('authorization');
    expect(both.providerToken).toMatchObject({ provider: 'anthropic' });
    const alone = read(['x-provider-token', 'sk-1']);
    expect(alone.identity).toBeNull();
    expect(alone.providerToken?.value.reveal()).toBe('sk-1');
    expect(alone.providerToken?.provider).toBeNull();
  });

  it.each([
    ['X-Provider-Token', '', 'header.x-provider-token'],
    ['X-Provider-Token', 'two words', 'header.x-provider-token'],
    ['X-Provider-Token', 'x'.repeat(4097), 'header.x-provider-token'],
    ['X-Provider-Token', 'caf\u00e9', 'header.x-provider-token'],
  ])('refuses %s: %j', (name, value, location) => {
    expect(() => read([name, value])).toThrow(InvalidRequestError);
    expect(() => read([name, value])).toThrow(location);
  });

  it.each(['OpenAI', 'core-nest', 'http://evil', ''])('refuses the provider %j', (provider) => {
    expect(() => read(['X-Provider-Token', 'sk-1'], ['X-Provider', provider])).toThrow('header.x-provider:');
  });

  it('finds nothing in look-alikes', () => {
    expect(read(['X-API-Keys', 'a'], ['Authorisation', 'b'], ['apikey', 'c'], ['X-Provider', 'openai'])).toEqual({
      identity: null,
      session: null,
      providerToken: null,
    });
  });

  it('prints no credential', () => {
    expect(JSON.stringify(read(['X-API-Key', 'canary-1'], ['X-Provider-Token', 'canary-2']))).not.toContain('canary');
  });

  it('reads the cookie of a session, beside whatever else there is', () => {
    expect(read(['cookie', 'session']).session).toMatchObject({ cookie: COOKIE, request: { method: 'GET' } });
    expect(read(['Cookie', 'other']).session).toBeNull();
    expect(read(['X-API-Key', 'k'], ['COOKIE', 'session'])).toMatchObject({
      identity: { header: 'api-key' },
      session: { cookie: COOKIE },
    });
  });
});

describe('bearerJwtOf', () => {
  const of = (header: 'authorization' | 'api-key', value: string) => bearerJwtOf({ header, value: new Secret(value) });

  it.each(['Bearer a.b.c', 'bearer a.b.c', 'BEARER a.b.c'])('takes %s for one', (value) => {
    expect(of('authorization', value)).toBe('a.b.c');
  });

  it.each(['Bearer abc', 'DPoP a.b.c', 'a.b.c', 'Basic a.b', ''])('does not take %j for one', (value) => {
    expect(of('authorization', value)).toBeNull();
  });

  it('is not looked for in the headers of keys', () => {
    expect(of('api-key', 'Bearer a.b.c')).toBeNull();
  });
});
