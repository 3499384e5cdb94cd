import { ID_PREFIXES, isId, newId } from './ids.js';

describe('ids', () => {
  it.each(ID_PREFIXES)('%s: the prefix and 20 base62 digits, never the same twice', (prefix) => {
    const made = Array.from({ length: 500 }, () => newId(prefix));
    for (const id of made) expect(id).toMatch(new RegExp(`^${prefix}_[0-9A-Za-z]{20}$`));
    expect(new Set(made).size).toBe(500);
    expect(made.every((id) => isId(prefix, id))).toBe(true);
  });

  it('uses every digit', () => {
    const digits = new Set(Array.from({ length: 500 }, () => newId('usr').slice(4)).join(''));
    expect(digits.size).toBe(62);
  });

  it.each([
    '',
    'usr_',
    'usr_short',
    `ses_${'a'.repeat(20)}`,
    `usr_${'a'.repeat(21)}`,
    `usr_${'ä'.repeat(20)}`,
    `usr_${'a'.repeat(20)}\n`,
  ])('%j is no id of a user', (text) => {
    expect(isId('usr', text)).toBe(false);
  });
});
