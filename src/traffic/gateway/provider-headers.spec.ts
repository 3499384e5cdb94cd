import fc from 'fast-check';
import { copyHeaders, passDownHeaders, upstreamHeaders } from './provider-headers.js';

const ALLOWED =
  /^(content-(type|length|encoding)|retry-after(-ms)?|x-should-retry|request-id|openai-(processing-ms|version|model))$/;
const ALLOWED_TO_KEY_OWNER =
  /^(openai-(organization|project)|x-ratelimit-(limit|remaining|reset)-(requests|tokens)|anthropic-ratelimit-.*)$/;
const NAME = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/),
  fc.constantFrom(
    'set-cookie',
    'www-authenticate',
    'proxy-authenticate',
    'connection',
    'keep-alive',
    'transfer-encoding',
    'upgrade',
    'trailer',
    'location',
    'server',
    'via',
    'x-request-id',
    'x-ratelimit-limit',
    'retry-after',
    'content-type',
    'openai-organization',
    'x-ratelimit-limit-tokens',
    'anthropic-ratelimit-tokens-remaining',
  ),
);

describe('passDownHeaders', () => {
  it('passes on nothing but the allow-list, and keeps what is there', () => {
    fc.assert(
      fc.property(fc.dictionary(NAME, fc.string()), fc.boolean(), (upstream, callersOwnKey) => {
        const down = passDownHeaders(upstream, { 'x-request-id': 'ours' }, callersOwnKey);
        expect(down['x-request-id']).toBe('ours');
        for (const name of Object.keys(down)) {
          if (name === 'x-request-id') continue;
          expect(ALLOWED.test(name) || (callersOwnKey && ALLOWED_TO_KEY_OWNER.test(name))).toBe(true);
          expect(down[name]).toBe(upstream[name]);
        }
      }),
    );
  });
});

describe('copyHeaders', () => {
  it('copies the named headers and no other', () => {
    const from = { 'anthropic-beta': 'a', cookie: 'b', 'openai-beta': ['c', 'd'], 'anthropic-version': '' };
    expect(copyHeaders(['anthropic-beta', 'openai-beta', 'anthropic-version'], from, { x: 'y' })).toEqual({
      x: 'y',
      'anthropic-beta': 'a',
    });
  });
});

describe('upstreamHeaders', () => {
  it('is a new object each time, so that no key stays in it', () => {
    upstreamHeaders().authorization = 'Bearer canary';
    expect(upstreamHeaders()).not.toHaveProperty('authorization');
  });
});
