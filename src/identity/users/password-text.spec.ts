import { compareSync, hashSync } from 'bcryptjs';
import { Secret } from '../../kernel/secret.js';
import { normalizedPassword, preHash } from './password-text.js';

const normalized = (text: string) => normalizedPassword(new Secret(text))?.reveal() ?? null;
const preHashed = (text: string) => preHash(new Secret(text)).reveal();

describe('normalizedPassword', () => {
  it('is the same however a keyboard composed it', () => {
    expect(normalized('Å'.normalize('NFD'))).toBe('Å'.normalize('NFC'));
    expect(normalized('ｐａｓｓ')).toBe('pass');
    expect(normalized('ﬁsh')).toBe('fish');
    expect(normalized('  a  ')).toBe('  a  ');
    expect(normalized('пароль 密码 🔑')).toBe('пароль 密码 🔑');
  });

  it('has at most 128 characters after that', () => {
    expect(normalized('🔑'.repeat(128))).toBe('🔑'.repeat(128));
    expect(normalized('🔑'.repeat(129))).toBeNull();
    expect(normalized('é'.normalize('NFD').repeat(128))).toBe('é'.repeat(128));
    // One character that becomes eighteen.
    expect(normalized('\ufdfa'.repeat(7))).toHaveLength(126);
    expect(normalized('\ufdfa'.repeat(8))).toBeNull();
  });

  it('is nothing for what is far too long, without reading it, and for half of a pair', () => {
    const started = performance.now();
    expect(normalized('\ufdfa'.repeat(350_000))).toBeNull();
    expect(performance.now() - started).toBeLessThan(100);
    expect(normalized('\ud83d')).toBeNull();
  });
});

describe('preHash', () => {
  it('fits bcrypt, whatever the password', () => {
    for (const text of ['', 'a', '🔑'.repeat(128)]) expect(preHashed(text)).toMatch(/^[\w+/]{64}$/);
  });

  it('makes every byte count: beyond 72, after NUL, at the very end', () => {
    const long = 'x'.repeat(127);
    const pairs = [
      [`${long}a`, `${long}b`],
      ['\u0000a', '\u0000b'],
      ['a\u0000', 'a'],
    ] as const;
    for (const [one, other] of pairs) {
      const hash = hashSync(preHashed(one), 4);
      expect(compareSync(preHashed(one), hash)).toBe(true);
      expect(compareSync(preHashed(other), hash)).toBe(false);
    }
  });

  it('stays what it is: stored passwords depend on it', () => {
    expect(preHashed('correct horse battery staple')).toBe(
      'no6P4SSvAR2RQYIYvbU64G2x497LrRi1KJ7IotDsqWirhJevHkp2SsT+sV4soMIi',
    );
  });
});
