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
    expect(proxies.behind('10.0.0.1', header)).toBe(expected);
    expect(proxies.behind('10.0.0.1', header)).toBe(expected);
  });

  it('keeps what it remembers bounded and right', () => {
    for (let i = 0; i < 3_000; i += 1) {
      const address = `203.0.${i >> 8}.${i & 255}`;
      expect(proxies.behind('10.0.0.1', address)).toBe(address);
    }
    expect(proxies.behind('10.0.0.1', '203.0.113.7')).toBe('203.0.113.7');
  });

  it('reads a header of thousands of hops', () => {
    const header = `198.51.100.1, ${'10.0.0.2, '.repeat(1_000)}10.0.0.3`;
    expect(proxies.behind('10.0.0.1', header)).toBe('198.51.100.1');
  });
});
