import { addressDigits, overlaps, prefixKey, readIpRange } from './ip-range.js';

describe('readIpRange', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7/32'],
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['203.0.112.0/21', '203.0.112.0/21'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1/128'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['2001:db8:8000::/33', '2001:db8:8000::/33'],
    ['::/0', '::/0'],
    ['::ffff:203.0.113.7', '203.0.113.7/32'],
    ['::ffff:203.0.113.0/120', '203.0.113.0/24'],
  ])('spells %s as %s', (text, cidr) => {
    const range = readIpRange(text);
    expect(range?.cidr).toBe(cidr);
    expect(readIpRange(cidr)).toEqual(range);
  });

  it.each(['', 'example.com', '203.0.113.7/24', '2001:db8::1/32', '203.0.113.0/33', '203.0.113.0/024'])(
    'refuses %j',
    (text) => {
      expect(readIpRange(text)).toBeNull();
    },
  );
});

describe('prefixKey', () => {
  it.each([
    ['203.0.113.7', 24, 'cb0071'],
    ['203.0.119.255', 21, 'cb0070'],
    ['203.0.120.0', 21, 'cb0078'],
    ['203.0.113.7', 0, ''],
    ['203.0.113.7', 32, 'cb007107'],
    ['2001:db8:ffff::1', 33, '20010db88'],
  ])('%s has %d bits of %j', (address, bits, key) => {
    expect(prefixKey(addressDigits(address), bits)).toBe(key);
  });
});

describe('overlaps', () => {
  it.each([
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.1.0.0/16', '10.0.0.0/8', true],
    ['10.0.0.0/8', '11.0.0.0/8', false],
    ['0.0.0.0/0', '::/0', false],
    ['2001:db8::/64', '2001:db8::1', true],
  ])('%s and %s: %s', (one, other, expected) => {
    const [first, second] = [readIpRange(one), readIpRange(other)];
    expect(first !== null && second !== null && overlaps(first, second)).toBe(expected);
  });
});
