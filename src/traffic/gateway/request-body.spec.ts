import fc from 'fast-check';
import { InvalidRequestError, MalformedBodyError } from '../../kernel/app-error.js';
import { modelOf, readRequestBody, streamOf, withModel } from './request-body.js';

const read = (text: string) => readRequestBody(Buffer.from(text));

describe('readRequestBody', () => {
  it.each(['', '[]', '"a"', 'null', '1', '{', '{"a":1}x', '\uFEFF{}', "{'a':1}"])('refuses %j', (text) => {
    expect(() => read(text)).toThrow(MalformedBodyError);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => readRequestBody(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow(
      'The request body is not UTF-8.',
    );
  });

  it.each([
    ['{"model":"a","model":"b"}', 'body.model'],
    ['{"model":"a","\\u006dodel":"a"}', 'body.model'],
    ['{"stream":true,"model":"a","strea\\u006D":false}', 'body.stream'],
  ])('refuses %s', (text, location) => {
    expect(() => read(text)).toThrow(new InvalidRequestError([{ location, message: 'must be given once' }]));
  });

  it('reads a body nested deeper than a call stack', () => {
    const depth = 100_000;
    expect(read(`{"a":${'['.repeat(depth)}${']'.repeat(depth)},"model":"m"}`).json.model).toBe('m');
  });

  const array = (item: string, count: number) => `{"a":[${Array(count).fill(item).join(',')}]}`;

  it.each(['[]', '{}', '""', '[{"b":""}]'])('refuses a body of very many %s before it is parsed', (item) => {
    expect(() => read(array(item, 131_072))).toThrow(
      new MalformedBodyError('The request body has more than 131072 strings, arrays and objects.'),
    );
  });

  it('reads one of as many as there may be, and counts nothing inside a string', () => {
    expect(read(array('[]', 131_072 - 3)).json.a).toHaveLength(131_072 - 3);
    expect(() => read(array('[]', 131_072 - 2))).toThrow(MalformedBodyError);
    expect(read(`{"a":"${'[{\\"'.repeat(131_072)}"}`).json.a).toHaveLength(3 * 131_072);
  });
});

describe('modelOf', () => {
  it.each(['{}', '{"model":null}', '{"model":1}', '{"model":""}', '{"__proto__":{"model":"x"}}'])(
    'refuses %s, naming the field',
    (text) => {
      expect(() => modelOf(read(text))).toThrow(/^body\.model: is required/);
    },
  );
});

describe('streamOf', () => {
  it.each([
    ['{}', false],
    ['{"stream":null}', false],
    ['{"stream":false}', false],
    ['{"stream":true}', true],
  ])('reads %s', (text, expected) => {
    expect(streamOf(read(text))).toBe(expected);
  });

  it.each(['1', '"true"', '"yes"', '[]', '{}'])('refuses %s, which some provider takes for true', (value) => {
    expect(() => streamOf(read(`{"stream":${value}}`))).toThrow(
      new InvalidRequestError([{ location: 'body.stream', message: 'must be true or false' }]),
    );
  });
});

describe('withModel', () => {
  it('changes the model and not one other byte', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary', minLength: 1 }),
        fc.nat(3),
        (rest, before, after, indent) => {
          const { model: _model, stream: _stream, ...others } = rest;
          const text = JSON.stringify({ ...others, model: before, zzz: 'last' }, null, indent);
          const body = read(text);
          const changed = withModel(body, after);
          expect(JSON.parse(changed.toString())).toEqual({
            ...JSON.parse(text),
            model: JSON.parse(JSON.stringify(after)),
          });
          const span = body.modelSpan ?? { start: 0, end: 0 };
          const tail = body.bytes.length - span.end;
          expect(changed.subarray(0, span.start).equals(body.bytes.subarray(0, span.start))).toBe(true);
          expect(changed.subarray(changed.length - tail).equals(body.bytes.subarray(span.end))).toBe(true);
        },
      ),
    );
  });

  it('hands back the received buffer when nothing changes', () => {
    const body = read('{ "model" : "gpt-4o" }');
    expect(withModel(body, 'gpt-4o')).toBe(body.bytes);
  });
});
