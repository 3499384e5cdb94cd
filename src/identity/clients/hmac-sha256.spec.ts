import { createHmac, createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { HmacSha256 } from './hmac-sha256.js';

describe('HmacSha256', () => {
  it('gives the codes of RFC 4231, test cases 1 and 2', () => {
    const hex = (code: string) => Buffer.from(code, 'base64url').toString('hex');
    expect(hex(new HmacSha256(Buffer.alloc(20, 0x0b)).of('Hi There'))).toBe(
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    );
    expect(hex(new HmacSha256(Buffer.from('Jefe')).of('what do ya want for nothing?'))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });

  it('gives what createHmac gives, whatever the key and the text, one after the other', () => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(
        key,
        fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { minLength: 1, maxLength: 5 }),
        (bytes, texts) => {
          const hmac = new HmacSha256(bytes);
          for (const text of texts) {
            expect(hmac.of(text)).toBe(createHmac('sha256', createSecretKey(bytes)).update(text).digest('base64url'));
          }
        },
      ),
    );
  });

  it('refuses a key longer than a block', () => {
    expect(() => new HmacSha256(Buffer.alloc(65))).toThrow('longer than a block');
  });
});
