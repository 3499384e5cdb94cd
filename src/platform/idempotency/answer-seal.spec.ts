import { Settings } from '../config/settings.js';
import { AnswerSeal } from './answer-seal.js';

const sealOf = (masterKey: string) => new AnswerSeal(Object.assign(new Settings(), { MASTER_KEY: masterKey }));
const seal = sealOf('a master key that only this file knows');
const other = sealOf('another master key that is somewhere else');

describe('an answer', () => {
  it('is opened for its row, as it was', () => {
    const answer = { api_key: 'a secret', list: [1, null], text: 'Ürün 請求' };
    expect(seal.open('row', seal.seal('row', answer))).toEqual(answer);
  });

  it('is unreadable, and never the same twice', () => {
    const [one, two] = [seal.seal('row', 'a secret'), seal.seal('row', 'a secret')];
    expect(one.toString('latin1')).not.toContain('a secret');
    expect(one.equals(two)).toBe(false);
  });

  it('is not opened for another row, under another key, cut, or with any bit turned', () => {
    const sealed = seal.seal('row', { a: 1 });
    expect(seal.open('another row', sealed)).toBeUndefined();
    expect(other.open('row', sealed)).toBeUndefined();
    for (const length of [0, 1, 27, 28, sealed.length - 1])
      expect(seal.open('row', sealed.subarray(0, length))).toBeUndefined();
    for (let index = 0; index < sealed.length; index++) {
      const turned = Buffer.from(sealed);
      turned.writeUInt8(turned.readUInt8(index) ^ 1, index);
      expect(seal.open('row', turned)).toBeUndefined();
    }
  });
});

describe('a hash', () => {
  it('is the same for the same parts, and tells parts apart', () => {
    expect(seal.hash('a', 'b')).toBe(seal.hash('a', 'b'));
    const hashes = [seal.hash('a', 'b'), seal.hash('ab'), seal.hash('b', 'a'), seal.hash('a', 'b', ''), seal.hash('a')];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('is another under another key', () => {
    expect(seal.hash('a')).not.toBe(other.hash('a'));
  });
});
