import { buildSettings } from '../../../test/support/build-settings.js';
import { generatePrivateKey, publicJwkOf } from './signing-key.js';
import { SigningKeySeal } from './signing-key-seal.js';

const seal = new SigningKeySeal(buildSettings());
const privateKey = generatePrivateKey();
const { kid } = publicJwkOf(privateKey);

describe('SigningKeySeal', () => {
  it('opens what it sealed, each time in other bytes', () => {
    const text = seal.seal(kid, privateKey);
    const opened = seal.open(kid, text);
    if (typeof opened === 'string') throw new Error(opened);
    expect(publicJwkOf(opened)).toEqual(publicJwkOf(privateKey));
    expect(seal.seal(kid, privateKey)).not.toBe(text);
    expect(text).not.toContain(privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64url').slice(40, 80));
  });

  it('knows that another master key was used', () => {
    const other = new SigningKeySeal(buildSettings({ MASTER_KEY: 'another master key that tests know' }));
    expect(other.open(kid, seal.seal(kid, privateKey))).toBe('other_master_key');
  });

  it('opens no key under the id of another', () => {
    const other = publicJwkOf(generatePrivateKey()).kid;
    expect(seal.open(other, seal.seal(kid, privateKey))).toBe('damaged');
    expect(seal.open(other, seal.seal(other, privateKey))).toBe('damaged');
  });

  it('opens nothing that was changed', () => {
    const text = seal.seal(kid, privateKey);
    const at = text.length - 30;
    const changed = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
    for (const each of [changed, text.slice(0, 30), 'a1', '', text.replace('a1.', 'b1.')])
      expect(seal.open(kid, each)).toBe('damaged');
  });
});
