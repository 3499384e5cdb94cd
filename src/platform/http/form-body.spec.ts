import { Readable } from 'node:stream';
import { MalformedBodyError, PayloadTooLargeError, UnsupportedMediaTypeError } from '../../kernel/app-error.js';
import { hasFormBody, readFormBody } from './form-body.js';
import type { HttpRequest } from './http-request.js';

const FORM = 'application/x-www-form-urlencoded';

function request(body: string | Buffer, headers: Record<string, string> = {}): HttpRequest {
  const bytes = Buffer.from(body as string);
  const raw = Object.assign(Readable.from([bytes]), {
    headers: { 'content-type': FORM, 'content-length': String(bytes.length), ...headers },
  });
  return { raw, record: {} } as unknown as HttpRequest;
}

const read = (body: string | Buffer, headers?: Record<string, string>) => readFormBody(request(body, headers), 1_000);

describe('readFormBody', () => {
  it('reads names and values, percent-encoded, with plus for blank', async () => {
    expect([...(await read('grant_type=client_credentials&scope=a+b%3Ac&n=%C3%A4'))]).toEqual([
      ['grant_type', 'client_credentials'],
      ['scope', 'a b:c'],
      ['n', 'ä'],
    ]);
    expect(await read('', { 'content-type': `${FORM}; charset=UTF-8` })).toEqual(new Map());
  });

  it('takes a parameter without a value for one that is not there', async () => {
    expect([...(await read('a=&b&c=1&a=2'))]).toEqual([
      ['c', '1'],
      ['a', '2'],
    ]);
  });

  it.each([
    ['a name twice', 'a=1&a=2'],
    ['a name twice, once encoded', 'a=1&%61=2'],
    ['a NUL', 'a=%00'],
    ['half a percent-encoding', 'a=%4'],
    ['what is not UTF-8', 'a=%ff'],
    ['a byte beyond ASCII', Buffer.from([0x61, 0x3d, 0xe4])],
    ['a blank', 'a=b c'],
    ['too many parameters', Array.from({ length: 33 }, (_, index) => `a${index}=1`).join('&')],
  ])('refuses %s', async (_name, body) => {
    await expect(read(body)).rejects.toThrow(MalformedBodyError);
  });

  it('refuses what is announced as something else, or encoded, or too large', async () => {
    await expect(read('{}', { 'content-type': 'application/json' })).rejects.toThrow(UnsupportedMediaTypeError);
    await expect(read('a=1', { 'content-encoding': 'gzip' })).rejects.toThrow(UnsupportedMediaTypeError);
    await expect(read('a='.padEnd(1_001, 'x'))).rejects.toThrow(PayloadTooLargeError);
    expect(hasFormBody({ raw: { headers: {} } } as HttpRequest)).toBe(false);
  });
});
