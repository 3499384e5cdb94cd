import { emailKeyOf, isEmailAddress } from './email-address.js';

describe('isEmailAddress', () => {
  it.each([
    'ada@example.com',
    'a.b+c@example.co.uk',
    'ops@localhost',
    'аня@пример.рф',
    '李@example.com',
    `${'a'.repeat(64)}@example.com`,
  ])('takes %s', (text) => {
    expect(isEmailAddress(text)).toBe(true);
  });

  it.each([
    '',
    'ada',
    '@example.com',
    'ada@',
    'a@b@c',
    'a b@example.com',
    'ada@example.com ',
    ' ada@example.com',
    'ada@example.com,eve@example.com',
    'ada@example.com;eve@example.com',
    'Ada <ada@example.com>',
    '"ada"@example.com',
    'ada(x)@example.com',
    'ada@[127.0.0.1]',
    'ada@example.com\r\nBcc: eve@example.com',
    'ada\u0000@example.com',
    'ada\u200b@example.com',
    'ada\u202e@example.com',
    'ada\ud800@example.com',
    'ada@exam\udc00ple.com',
    'é@example.com'.normalize('NFD'),
    `${'a'.repeat(65)}@example.com`,
    `ada@${'a.'.repeat(130)}com`,
    7,
    null,
    undefined,
    ['ada@example.com'],
  ])('refuses %j', (text) => {
    expect(isEmailAddress(text)).toBe(false);
  });
});

describe('emailKeyOf', () => {
  it('is the same for spellings of one address, and another for another', () => {
    const key = emailKeyOf('Ada.Lovelace@Example.com');
    for (const spelling of ['ada.lovelace@example.com', 'ADA.LOVELACE@EXAMPLE.COM', 'ａｄａ.lovelace@example.com'])
      expect(emailKeyOf(spelling)).toBe(key);
    for (const other of ['adalovelace@example.com', 'ada.lovelace+x@example.com', 'аda.lovelace@example.com'])
      expect(emailKeyOf(other)).not.toBe(key);
    // The sign for kelvin is a k; lower case makes of it what the next look makes of it.
    expect(emailKeyOf('\u212a@example.com')).toBe('k@example.com');
    for (const text of ['İ@example.com', 'ǅ@example.com', 'ß@example.com'])
      expect(emailKeyOf(emailKeyOf(text))).toBe(emailKeyOf(text));
  });
});
