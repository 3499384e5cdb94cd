import { isIP } from 'node:net';
import fc from 'fast-check';
import { ClientAddresses, normaliseAddress } from './client-address.js';

describe('normaliseAddress', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7 ', '203.0.113.7'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:80', '203.0.113.7'],
    ['::1', '::1'],
  ])('spells %p as %p', (text, expected) => {
    expect(normaliseAddress(text)).toBe(expected);
  });

  it.each([
    '',
    'unknown',
    '_hidden',
    'example.com',
    '127.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '2130706433',
    '256.1.1.1',
    '1.2.3.4.5',
    '[2001:db8::1',
    '[2001:db8::1]x',
    '1.2.3.4:99999999',
    '1.2.3.4:port',
    '2001:db8::1::2',
    '203.0.113.7/24',
    '"203.0.113.7"',
  ])('refuses %p', (text) => {
    expect(normaliseAddress(text)).toBeNull();
  });
});

describe('ClientAddresses', () => {
  const proxies = new ClientAddresses(['10.0.0.0/8', '192.0.2.1', '2001:db8:ffff::/48']);

  it('trusts nobody when no proxy is configured', () => {
    const none = new ClientAddresses([]);
    expect(none.isTrusted('127.0.0.1')).toBe(false);
    expect(none.isTrusted('10.0.0.1')).toBe(false);
  });

  it('trusts addresses and ranges of both families, and no neighbour of theirs', () => {
    expect(proxies.isTrusted('10.255.0.1')).toBe(true);
    expect(proxies.isTrusted('192.0.2.1')).toBe(true);
    expect(proxies.isTrusted('192.0.2.2')).toBe(false);
    expect(proxies.isTrusted('11.0.0.1')).toBe(false);
    expect(proxies.isTrusted('2001:db8:ffff::9')).toBe(true);
    expect(proxies.isTrusted('2001:db8:fffe::9')).toBe(false);
  });

  it('knows an IPv4 proxy by its address mapped into IPv6', () => {
    expect(proxies.peer('::ffff:10.1.2.3')).toBe('10.1.2.3');
    expect(proxies.isTrusted(proxies.peer('::ffff:10.1.2.3'))).toBe(true);
    const mapped = new ClientAddresses(['::ffff:10.0.0.0/104']);
    expect(mapped.isTrusted('10.200.0.1')).toBe(true);
    expect(mapped.isTrusted('11.0.0.1')).toBe(false);
  });

  it('gives a peer that is already gone a fixed address', () => {
    expect(proxies.peer(undefined)).toBe('0.0.0.0');
  });

  it.each([
    ['one hop', '203.0.113.7', '203.0.113.7'],
    ['the right-most untrusted of several', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['behind a chain of trusted proxies', '203.0.113.7, 10.0.0.9, 2001:db8:ffff::1', '203.0.113.7'],
    ['never what stands left of an untrusted hop', '10.0.0.9, 203.0.113.7, 10.0.0.2', '203.0.113.7'],
    ['with a port', '203.0.113.7:1234', '203.0.113.7'],
    ['IPv6 in brackets', '[2001:db8::5]:1', '2001:db8::5'],
    ['IPv4 mapped', '::ffff:203.0.113.7', '203.0.113.7'],
    ['all trusted: the farthest', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['a hop nobody can read ends the walk', '203.0.113.7, unknown, 10.0.0.2', '10.0.0.2'],
    ['an unreadable last hop: the peer', '203.0.113.7, garbage', '10.0.0.1'],
    ['an empty last hop: the peer', '203.0.113.7,', '10.0.0.1'],
    ['only commas', ',,,', '10.0.0.1'],
    ['an empty header', '', '10.0.0.1'],
    ['no header', undefined, '10.0.0.1'],
  ])('finds the client: %s', (_name, header, expected) => {
    expect(proxies.behind('10.0.0.1', { 'x-forwarded-for': header })).toBe(expected);
    expect(proxies.behind('10.0.0.1', { 'x-forwarded-for': header })).toBe(expected);
  });

  it('keeps what it remembers bounded and right', () => {
    for (let i = 0; i < 3_000; i += 1) {
      const address = `203.0.${i >> 8}.${i & 255}`;
      expect(proxies.behind('10.0.0.1', { 'x-forwarded-for': address })).toBe(address);
    }
    expect(proxies.behind('10.0.0.1', { 'x-forwarded-for': '203.0.113.7' })).toBe('203.0.113.7');
  });

  it('takes no header for the end of another one', () => {
    const neighbour = { 'x-forwarded-for': '203.0.113.1 , 203.0.113.7', 'x-forwarded-proto': 'https' };
    expect(proxies.behind('10.0.0.1', neighbour)).toBe('203.0.113.7');
    const caller = { 'x-forwarded-for': '203.0.113.1', 'x-forwarded-proto': ', 203.0.113.7 https' };
    expect(proxies.behind('10.0.0.1', caller)).toBe('203.0.113.1');
  });

  it('reads a header of thousands of hops', () => {
    const header = `198.51.100.1, ${'10.0.0.2, '.repeat(1_000)}10.0.0.3`;
    expect(proxies.behind('10.0.0.1', { 'x-forwarded-for': header })).toBe('198.51.100.1');
  });
});

describe('ClientAddresses, by Forwarded', () => {
  const trusted = ['10.0.0.0/8', '2001:db8:ffff::/48'];
  const proxies = new ClientAddresses(trusted, 'forwarded');

  it.each([
    ['one hop', 'for=203.0.113.7', '203.0.113.7'],
    ['quoted IPv6 with a port', 'for="[2001:db8::1]:4711"', '2001:db8::1'],
    ['a port', 'for="203.0.113.7:47011";proto=https;by=10.0.0.1', '203.0.113.7'],
    ['a hidden port', 'for="203.0.113.7:_hidden"', '203.0.113.7'],
    ['IPv4 mapped', 'For="[::ffff:203.0.113.7]"', '203.0.113.7'],
    ['names in any case and any place', 'proto=http ; FOR=203.0.113.7', '203.0.113.7'],
    ['through a chain of proxies', 'for=203.0.113.7, for=10.0.0.9;proto=http,for="[2001:db8:ffff::1]"', '203.0.113.7'],
    ['never what stands left of an untrusted hop', 'for=198.51.100.1, for=203.0.113.7, for=10.0.0.2', '203.0.113.7'],
    ['all trusted: the farthest', 'for=10.0.0.3, for=10.0.0.2', '10.0.0.3'],
    ['a stray semicolon', 'for=203.0.113.7;', '203.0.113.7'],
    ['an escaped character', 'for="203.0.113\\.7"', '203.0.113.7'],
    ['unknown ends the walk', 'for=203.0.113.7, for=unknown, for=10.0.0.2', '10.0.0.2'],
    ['an obfuscated identifier ends the walk', 'for=203.0.113.7, for=_SEVKISEK', '10.0.0.1'],
    ['an element without for ends the walk', 'for=203.0.113.7, proto=https', '10.0.0.1'],
    ['two of one name end the walk', 'for=198.51.100.1;for=203.0.113.7', '10.0.0.1'],
    ['nonsense ends the walk', 'for=203.0.113.7, what is this', '10.0.0.1'],
    ['a bare address ends the walk', '203.0.113.7', '10.0.0.1'],
    ['no value at all', '', '10.0.0.1'],
    ['an open quote of the caller hides nothing', 'for=1.1.1.1;x=", for=203.0.113.7', '203.0.113.7'],
    ['nor does an escaped one', 'for="1.1.1.1\\", for=203.0.113.7', '203.0.113.7'],
    ['a comma in quotes separates nothing', 'for=203.0.113.7;by="a, b", for=10.0.0.2', '203.0.113.7'],
    ['a quote never opened ends the walk', 'for=1.1.1.1, x", for=10.0.0.9', '10.0.0.9'],
  ])('%s', (_name, forwarded, expected) => {
    expect(proxies.behind('10.0.0.1', { forwarded })).toBe(expected);
  });

  it('reads only the header it was told to', () => {
    const headers = { forwarded: 'for=203.0.113.7', 'x-forwarded-for': '198.51.100.1' };
    expect(proxies.behind('10.0.0.1', headers)).toBe('203.0.113.7');
    expect(proxies.behind('10.0.0.1', { 'x-forwarded-for': '198.51.100.1' })).toBe('10.0.0.1');
    const older = new ClientAddresses(trusted, 'x-forwarded-for');
    expect(older.behind('10.0.0.1', headers)).toBe('198.51.100.1');
    expect(older.behind('10.0.0.1', { forwarded: 'for=203.0.113.7' })).toBe('10.0.0.1');
    const auto = new ClientAddresses(trusted);
    expect(auto.behind('10.0.0.1', headers)).toBe('198.51.100.1');
    expect(auto.behind('10.0.0.1', { forwarded: 'for=203.0.113.7' })).toBe('203.0.113.7');
    expect(auto.behind('10.0.0.1', { forwarded: 'for=203.0.113.7', 'x-forwarded-for': '' })).toBe('203.0.113.7');
  });

  it('takes several lines for one list', () => {
    const forwardedFor = ['203.0.113.7', '10.0.0.2'] as unknown as string;
    expect(new ClientAddresses(trusted).behind('10.0.0.1', { 'x-forwarded-for': forwardedFor })).toBe('203.0.113.7');
  });

  it('is never moved by what a caller wrote before the proxy did', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => normaliseAddress(text) as string);
    const spelled = (text: string) => (text.includes(':') ? `"[${text}]:4711"` : text);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), address, (before, client) => {
        fc.pre(!proxies.isTrusted(client));
        const forwarded = `${before}, for=${spelled(client)};proto=https`;
        expect(proxies.behind('10.0.0.1', { forwarded })).toBe(client);
        expect(proxies.isSecure('10.0.0.1', { forwarded })).toBe(true);
        const headers = { 'x-forwarded-for': `${before}, ${client}` };
        expect(new ClientAddresses(trusted).behind('10.0.0.1', headers)).toBe(client);
      }),
    );
  });

  it('answers with an address, whatever it reads', () => {
    const text = fc.string({ unit: fc.constantFrom(...'for=,;"\\ :[]1.a_') });
    fc.assert(
      fc.property(text, (header) => {
        for (const headers of [{ forwarded: header }, { 'x-forwarded-for': header }])
          expect(isIP(new ClientAddresses(trusted).behind('10.0.0.1', headers))).not.toBe(0);
      }),
    );
  });
});

describe('ClientAddresses.isSecure', () => {
  const proxies = new ClientAddresses(['10.0.0.0/8']);

  it.each([
    ['one proxy', '203.0.113.7', 'https', true],
    ['plain', '203.0.113.7', 'http', false],
    ['in capitals', '203.0.113.7', 'HTTPS', true],
    ['nothing said', '203.0.113.7', undefined, false],
    ['something else', '203.0.113.7', 'https:', false],
    ['the one value of the outer of two proxies', '203.0.113.7, 10.0.0.2', 'https', true],
    ['TLS to the outer proxy and none behind it', '203.0.113.7, 10.0.0.2', 'https, http', true],
    ['none to the outer proxy and TLS behind it', '203.0.113.7, 10.0.0.2', 'http, https', false],
    ['a caller that writes the header itself', '203.0.113.7', 'https, http', false],
    ['and a list of hops too', '198.51.100.1, 203.0.113.7', 'https, http', false],
    ['no list of hops', undefined, 'https', true],
    ['no list of hops, and a caller that writes the header', undefined, 'https, http', false],
  ])('%s', (_name, forwardedFor, protocol, expected) => {
    const headers = { 'x-forwarded-for': forwardedFor, 'x-forwarded-proto': protocol };
    expect(proxies.isSecure('10.0.0.1', headers)).toBe(expected);
  });

  it.each([
    ['for=203.0.113.7;proto=https', true],
    ['for=203.0.113.7;proto="HTTPS"', true],
    ['for=203.0.113.7;proto=http', false],
    ['for=203.0.113.7', false],
    ['for=_hidden;proto=https', true],
    ['proto=https', true],
    ['for=203.0.113.7;proto=https, for=10.0.0.2;proto=http', true],
    ['for=203.0.113.7;proto=http, for=10.0.0.2;proto=https', false],
    ['for=198.51.100.1;proto=https, for=203.0.113.7;proto=http', false],
    ['proto=https;proto=https', false],
    ['what is this', false],
  ])('%s', (forwarded, expected) => {
    expect(proxies.isSecure('10.0.0.1', { forwarded })).toBe(expected);
  });
});
