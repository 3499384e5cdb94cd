import { waitAfter } from './mail-delivery.js';
import { assertNoInjection, oneLine } from './mail-message.js';

describe('oneLine', () => {
  it.each([
    ['Ada\r\nBcc: all@example.com', 'Ada Bcc: all@example.com'],
    ['a\u0000b\u0085c\u2028d', 'a b c d'],
    ['\u202eevil\u2066', 'evil'],
    ['  Ada  ', 'Ada'],
    ['=SUM(1)+1', '=SUM(1)+1'],
    ['Аня Müller', 'Аня Müller'],
  ])('%j is %j', (text, expected) => {
    expect(oneLine(text)).toBe(expected);
  });
});

describe('a mail', () => {
  const message = { to: 'ada@example.com', subject: 'Invitation', text: 'any\r\nlines' };

  it('may have lines in its text alone', () => {
    expect(() => assertNoInjection(message)).not.toThrow();
    for (const bad of ['a\r\nb', 'a\nb', 'a\u0000b', 'a\u2028b']) {
      expect(() => assertNoInjection({ ...message, to: bad })).toThrow('line break');
      expect(() => assertNoInjection({ ...message, subject: bad })).toThrow('line break');
    }
  });
});

describe('waitAfter', () => {
  it('doubles from two seconds to a quarter of an hour', () => {
    expect([1, 2, 3, 9, 10, 11, 100, 1e9].map(waitAfter)).toEqual([2, 4, 8, 512, 900, 900, 900, 900]);
  });
});
