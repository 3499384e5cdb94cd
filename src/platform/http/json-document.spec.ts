import { MalformedBodyError } from '../../kernel/app-error.js';
import { parseJsonDocument } from './json-document.js';

const parse = (text: string) => parseJsonDocument(Buffer.from(text));

describe('parseJsonDocument', () => {
  it.each([
    '{"a":1,"b":[1,{"a":2}],"c":{"a":{"a":"a"}}}',
    '[{"a":1},{"a":2}]',
    '{"a":"a","b":"\\"a\\":","c":"\\\\"}',
    '{"constructor":"x","prototype":"y"}',
    '"{\\"a\\":1,\\"a\\":2}"',
    ' { "a" : 1 , "A" : 2 } ',
    '{"":1}',
    'null',
    '{"text":"\u{1F600} \\ud83d\\ude00"}',
  ])('reads %s', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it.each([
    ['{', 'not a JSON document'],
    ['', 'not a JSON document'],
    ["{'a':1}", 'not a JSON document'],
    ['{"a":1}x', 'not a JSON document'],
    ['{"a":1,"a":2}', 'same name twice'],
    ['{"a":1,"\\u0061":2}', 'same name twice'],
    ['{"b":{"a":1,"c":[],"a" :2}}', 'same name twice'],
    ['[{"b":[{"a":[],"a":1}]}]', 'same name twice'],
    ['{"__proto__":{"admin":true}}', 'not allowed'],
    ['{"a":{"\\u005f_proto__":1}}', 'not allowed'],
    ['{"constructor":{"prototype":{"x":1}}}', 'not allowed'],
    ['[{"constructor":{"prototype":1}}]', 'not allowed'],
    ['{"a":"x\\u0000y"}', 'NUL'],
    ['{"a\\u0000":1}', 'NUL'],
    [`${'['.repeat(33)}${']'.repeat(33)}`, 'nested deeper'],
    [`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, 'nested deeper'],
  ])('refuses %s: %s', (text, reason) => {
    expect(() => parse(text)).toThrow(MalformedBodyError);
    expect(() => parse(text)).toThrow(reason);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJsonDocument(Buffer.from([0x22, 0xff, 0x22]))).toThrow('not a JSON document in UTF-8');
  });

  it('reads a large flat document in linear time', () => {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: 8_000 }, (_, i) => [`name${i}`, i])));
    const started = performance.now();
    parse(text);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
