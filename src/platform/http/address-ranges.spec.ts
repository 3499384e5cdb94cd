import { AddressRanges, coversRange, readAddressRange } from './address-ranges.js';

const read = (text: string) => {
  const range = readAddressRange(text);
  if (range === null) throw new Error(`${text} is not read`);
  return range;
};

describe('readAddressRange', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7/32', '203.0.113.7'],
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['203.0.113.128/25', '203.0.113.128/25'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['2001:0db8::/32', '2001:db8::/32'],
    ['::/0', '::/0'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:CB00:7107', '203.0.113.7'],
    ['::ffff:203.0.113.0/120', '203.0.113.0/24'],
    ['::ffff:0.0.0.0/96', '0.0.0.0/0'],
  ])('reads %s as %s', (text, canonical) => {
    expect(readAddressRange(text)?.text).toBe(canonical);
  });

  it.each([
    '',
    'localhost',
    '203.0.113.7/24',
    '203.0.113.0/33',
    '203.0.113.0/-1',
    '203.0.113.0/024',
    '203.0.113.0/',
    '203.0.113.0/24/24',
    '203.0.113',
    '203.0.113.07',
    ' 203.0.113.7',
    '203.0.113.7:80',
    '2001:db8::1/32',
    '2001:db8::/129',
    'fe80::1%eth0',
    '[2001:db8::1]',
    '::ffff:203.0.113.0/95',
    '0x7f.1',
  ])('refuses %j', (text) => {
    expect(readAddressRange(text)).toBeNull();
  });
});

describe('coversRange', () => {
  it.each([
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.1.0.0/16', '10.0.0.0/8', false],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['0.0.0.0/0', '192.0.2.1', true],
    ['0.0.0.0/0', '::/0', false],
    ['::/0', '2001:db8::/32', true],
    ['2001:db8::/32', '2001:db9::/32', false],
    ['10.0.0.0/8', '::ffff:10.2.3.4', true],
  ])('%s over %s: %s', (outer, inner, covered) => {
    expect(coversRange(read(outer), read(inner))).toBe(covered);
  });
});

describe('AddressRanges', () => {
  const ranges = new AddressRanges(['203.0.113.0/24', '2001:db8::/32', '192.0.2.7', 'not a range']);

  it.each([
    ['203.0.113.0', true],
    ['203.0.113.255', true],
    ['203.0.114.0', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['2001:db8::5', true],
    ['2001:db9::', false],
  ])('%s: %s', (address, held) => {
    expect(ranges.has(address)).toBe(held);
  });

  it('holds nothing when it is empty', () => {
    expect(new AddressRanges([]).has('192.0.2.7')).toBe(false);
  });
});
