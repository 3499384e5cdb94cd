import fc from 'fast-check';
import { locateKeys } from './json-scan.js';

const BLANKS = fc.array(fc.constantFrom(' ', '\n', '\r', '\t'), { maxLength: 3 }).map((parts) => parts.join(''));
const KEY = fc.oneof(fc.constantFrom('model', 'stream', 'models', 'mode', '', 'a"b', 'a\\', '\\"model'), fc.string());

function escapeAll(text: string): string {
  return `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`;
}

const MEMBER = fc.tuple(KEY, fc.jsonValue(), fc.boolean(), BLANKS);

function print(members: readonly [string, unknown, boolean, string][]): string {
  const parts = members.map(
    ([key, value, escaped, blank]) =>
      `${blank}${escaped ? escapeAll(key) : JSON.stringify(key)}${blank}:${blank}${JSON.stringify(value, null, blank)}${blank}`,
  );
  return `\n {${parts.join(',')}} `;
}

describe('locateKeys', () => {
  it('finds what JSON.parse finds, and tells duplicates', () => {
    fc.assert(
      fc.property(fc.array(MEMBER, { maxLength: 8 }), (members) => {
        const text = print(members);
        const bytes = Buffer.from(text);
        const parsed = JSON.parse(text);
        const { spans, duplicate } = locateKeys(bytes, ['model', 'stream']);
        for (const name of ['model', 'stream']) {
          const count = members.filter(([key]) => key === name).length;
          expect(spans.has(name)).toBe(count > 0);
          const span = spans.get(name);
          if (span) expect(JSON.parse(bytes.subarray(span.start, span.end).toString())).toEqual(parsed[name]);
        }
        const twice = ['model', 'stream'].some((name) => members.filter(([key]) => key === name).length > 1);
        expect(duplicate !== null).toBe(twice);
      }),
      { numRuns: 500 },
    );
  });

  it('does not look into nested objects', () => {
    const bytes = Buffer.from('{"a":{"model":"x"},"b":[{"model":"y"}],"c":"\\"model\\":\\"z\\""}');
    expect(locateKeys(bytes, ['model']).spans.size).toBe(0);
  });

  it('takes an escaped spelling of a key for the key', () => {
    const { spans, duplicate } = locateKeys(Buffer.from('{"model":"a","mod\\u0065l":"b"}'), ['model']);
    expect(duplicate).toBe('model');
    expect(spans.get('model')).toEqual({ start: 26, end: 29 });
  });
});
