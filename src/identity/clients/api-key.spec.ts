import { inspect } from 'node:util';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import {
  CLIENT_ID_PATTERN,
  generateClientId,
  generateCredential,
  isClientId,
  parseApiKey,
  parseClientCredentials,
  randomDigits,
} from './api-key.js';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The contract's checksum, written a second time from its words alone. */
function checksumOf(before: string): string {
  let rest = BigInt(crc32(Buffer.from(before, 'utf8')));
  let digits = '';
  while (rest > 0n) {
    digits = DIGITS[Number(rest % 62n)] + digits;
    rest /= 62n;
  }
  return digits.padStart(6, '0');
}

const sealed = (before: string) => `${before}${checksumOf(before)}`;
const base62 = (length: number) =>
  fc.string({ unit: fc.constantFrom(...DIGITS), minLength: length, maxLength: length });
const environment = fc.constantFrom('live', 'test');
const anyKey = fc
  .tuple(environment, base62(12), base62(30))
  .map(([env, id, secret]) => sealed(`cn_${env}_${id}_${secret}`));

const BEFORE = 'cn_live_0123456789AB_CDEFGHIJKLMNOPQRSTUVWXYZabcdef';
const KEY = sealed(BEFORE);

describe('the format', () => {
  it('agrees with a key worked out by hand', () => {
    // CRC-32 of these 51 bytes as Python's zlib.crc32 gives it: 1696857925 = "1qpqGD" in base62.
    expect(KEY).toBe(`${BEFORE}1qpqGD`);
    const parsed = parseApiKey(KEY);
    expect(parsed?.clientId).toBe('cn_live_0123456789AB');
    expect(parsed?.secret.reveal()).toBe('CDEFGHIJKLMNOPQRSTUVWXYZabcdef');
  });

  it('takes every key built as the contract says', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const parsed = parseApiKey(key);
        expect(parsed?.clientId).toBe(key.slice(0, 20));
        expect(parsed?.secret.reveal()).toBe(key.slice(21, 51));
      }),
    );
  });

  it('pads a small checksum to six digits, and refuses it unpadded', () => {
    let small = '';
    for (let n = 0; small === ''; n++) {
      const before = `cn_test_aaaaaaaaaaaa_${String(n).padStart(30, '0')}`;
      if (crc32(before) < 62 ** 5) small = before;
    }
    const key = sealed(small);
    expect(key.charAt(51)).toBe('0');
    expect(parseApiKey(key)).not.toBeNull();
    expect(parseApiKey(`${small}${key.slice(52)}`)).toBeNull();
  });

  it('has one spelling of each checksum: a number beyond 32 bits is not taken modulo', () => {
    const value = crc32(BEFORE) + 2 ** 32;
    let digits = '';
    for (let rest = value; digits.length < 6; rest = Math.floor(rest / 62)) digits = DIGITS[rest % 62] + digits;
    expect(parseApiKey(`${BEFORE}${digits}`)).toBeNull();
  });
});

describe('what is made', () => {
  it.each(['live', 'test'] as const)('a %s key is well formed, and in all its forms the same', (env) => {
    const clientId = generateClientId(env);
    const made = generateCredential(clientId);
    expect(clientId).toMatch(CLIENT_ID_PATTERN);
    expect(clientId.startsWith(`cn_${env}_`)).toBe(true);
    expect(made.apiKey.reveal()).toBe(`${clientId}_${made.clientSecret.reveal()}`);
    expect(made.clientSecret.reveal()).toHaveLength(36);
    expect(made.clientSecret.reveal().slice(0, 30)).toBe(made.secret.reveal());
    expect(made.clientSecret.reveal().slice(-4)).toBe(made.hint);
    expect(parseApiKey(made.apiKey.reveal())?.clientId).toBe(clientId);
    expect(parseApiKey(made.apiKey.reveal())?.secret.reveal()).toBe(made.secret.reveal());
    expect(made.apiKey.reveal()).toBe(sealed(made.apiKey.reveal().slice(0, 51)));
  });

  it('is new each time', () => {
    const ids = new Set(Array.from({ length: 2_000 }, () => generateClientId('live')));
    const secrets = new Set(
      Array.from({ length: 2_000 }, () => generateCredential('cn_live_000000000000').secret.reveal()),
    );
    expect(ids.size).toBe(2_000);
    expect(secrets.size).toBe(2_000);
  });

  it('uses every digit equally often: no modulo bias', () => {
    const counts = new Map<string, number>();
    const total = 310_000;
    for (const digit of randomDigits(total)) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    expect([...counts.keys()].sort().join('')).toBe(DIGITS);
    const expected = total / 62;
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 61 degrees of freedom: above 130 happens once in a million; the bias of a plain "byte % 62" gives over 2,000.
    expect(chiSquare).toBeLessThan(130);
  });

  it('is made for a client id and nothing else', () => {
    expect(() => generateCredential('cn_live_short')).toThrow('A secret is made for a client id and nothing else.');
  });

  it('shows no secret however it is printed', () => {
    const made = generateCredential(generateClientId('live'));
    const printed = `${inspect(made, { depth: 9, showHidden: true })} ${JSON.stringify(made)} ${made.apiKey}`;
    expect(printed).toContain('[redacted]');
    expect(printed).not.toContain(made.secret.reveal());
    expect(printed).not.toContain(made.clientSecret.reveal());
  });
});

describe('what is refused', () => {
  it('any single character changed', () => {
    fc.assert(
      fc.property(anyKey, fc.nat(56), fc.constantFrom(...DIGITS, '_', '-', ' ', 'é', '\u0000'), (key, at, other) => {
        fc.pre(key.charAt(at) !== other);
        expect(parseApiKey(key.slice(0, at) + other + key.slice(at + 1))).toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  it('two neighbours swapped', () => {
    fc.assert(
      fc.property(anyKey, fc.nat(55), (key, at) => {
        fc.pre(key.charAt(at) !== key.charAt(at + 1));
        const swapped = key.slice(0, at) + key.charAt(at + 1) + key.charAt(at) + key.slice(at + 2);
        expect(parseApiKey(swapped)).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });

  it('any part of a key, and any key with more', () => {
    fc.assert(
      fc.property(anyKey, fc.nat(56), fc.string({ minLength: 1, maxLength: 3 }), (key, cut, more) => {
        expect(parseApiKey(key.slice(0, cut))).toBeNull();
        expect(parseApiKey(key + more)).toBeNull();
        expect(parseApiKey(more + key)).toBeNull();
      }),
    );
  });

  it('any text at all', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(parseApiKey(text)).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['blanks around it', ` ${KEY} `],
    ['a line end', `${KEY}\n`],
    ['a NUL', `${KEY.slice(0, 30)}\u0000${KEY.slice(31)}`],
    ['another environment', sealed(BEFORE.replace('live', 'prod'))],
    ['an upper-case prefix', sealed(BEFORE.replace('cn_live', 'CN_LIVE'))],
    ['another separator', sealed(BEFORE.replace('AB_CD', 'AB-CD'))],
    ['no digit in its id', sealed(BEFORE.replace('0123', '01-3'))],
    ['no digit in its secret', sealed(BEFORE.replace('abcd', 'ab~d'))],
    ['no digit in its checksum', `${BEFORE}1qpqG~`],
    ['the case of one id character', KEY.replace('89AB', '89aB')],
    ['full-width digits', sealed(BEFORE.replace('0123', '\uff10\uff11\uff12\uff13'))],
    ['letters that fold to ASCII (Kelvin sign)', sealed(BEFORE.replace('K', '\u212a'))],
    ['a character whose low byte is a digit', sealed(BEFORE.replace('0', '\u0130'))],
    ['an astral character in place of two', sealed(BEFORE.replace('YZ', '\u{1f600}'))],
    ['nothing', ''],
  ])('%s', (_what, text) => {
    expect(parseApiKey(text)).toBeNull();
  });

  it('a megabyte, at once', () => {
    const long = Buffer.from(KEY.repeat(20_000)).toString('latin1');
    const started = performance.now();
    for (let n = 0; n < 100_000; n++) if (parseApiKey(long) !== null) throw new Error('taken');
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('an id and a secret that arrive apart', () => {
  it('are the same as the key they make', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const parsed = parseClientCredentials(key.slice(0, 20), key.slice(21));
        expect(parsed?.clientId).toBe(key.slice(0, 20));
        expect(parsed?.secret.reveal()).toBe(key.slice(21, 51));
      }),
    );
  });

  it('cannot be cut elsewhere', () => {
    for (let cut = 0; cut <= KEY.length; cut++) {
      if (cut === 20) continue;
      expect(parseClientCredentials(KEY.slice(0, cut), KEY.slice(cut + 1))).toBeNull();
      expect(parseClientCredentials(KEY.slice(0, cut), KEY.slice(cut))).toBeNull();
    }
  });

  it("refuse another client's secret: the checksum binds them", () => {
    const other = generateCredential(generateClientId('live'));
    expect(parseClientCredentials(KEY.slice(0, 20), other.clientSecret.reveal())).toBeNull();
  });
});

describe('isClientId', () => {
  it('agrees with the pattern on any text', () => {
    const near = fc.tuple(fc.constantFrom('cn_live_', 'cn_test_', 'cn_Live_', 'cn_'), fc.string({ maxLength: 14 }));
    fc.assert(
      fc.property(
        fc.oneof(
          near.map(([prefix, rest]) => prefix + rest),
          fc.string({ unit: 'binary' }),
        ),
        (text) => {
          expect(isClientId(text)).toBe(CLIENT_ID_PATTERN.test(text));
        },
      ),
      { numRuns: 1_000 },
    );
    expect(isClientId('cn_live_0123456789AB')).toBe(true);
    expect(isClientId('cn_live_0123456789AB\n')).toBe(false);
    expect(isClientId('cn_live_0123-56789AB')).toBe(false);
  });
});
