import { inspect } from 'node:util';
import type { Grant } from '../../kernel/grant.js';
import { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import type { CachedCredential } from './cached-credential.js';
import { CredentialSeal, equalText } from './credential-seal.js';

const sealUnder = (MASTER_KEY: string) => new CredentialSeal(Object.assign(new Settings(), { MASTER_KEY }));
const seal = sealUnder('k'.repeat(32));
const credential: CachedCredential = {
  clientId: 'cn_live_abcdefghijkl',
  version: '42',
  status: 'active',
  tier: 'free',
  scopes: ['llm:invoke'],
  expiresAt: null,
  owner: null,
  tokens: { epoch: '0.3', revoked: ['a'] },
  allowedAddresses: ['192.0.2.0/24'],
  allowedModels: null,
  allowedProviders: ['openai'],
  usedFrom: ['192.0.2.1'],
  checkedAt: 1_700_000_000_000,
  secrets: [{ id: 's1', hashedSecret: '$2b$10$x|y', hint: 'abcd', expiresAt: 5, digest: 'd' }],
};

describe('CredentialSeal', () => {
  it('opens what it sealed, under the stamp the text begins with', () => {
    const { stamp, text } = seal.seal(credential);
    expect(text.startsWith(stamp)).toBe(true);
    expect(seal.open(text, credential.clientId)).toEqual({ credential, stamp });
  });

  it('keeps the owner, and what is granted to it', () => {
    const grant: Grant = {
      id: 'grt_1',
      roleId: 'rol_1',
      effect: 'deny',
      scope: { type: 'resource', resource: 'users', id: 'usr_2' },
      conditions: { cidr: ['192.0.2.0/24'], mfa: true },
      expiresAt: 1_800_000_000_000,
    };
    const owned = { ...credential, owner: { userId: 'usr_1', status: 'active', grants: [grant] } };
    expect(seal.open(seal.seal(owned).text, credential.clientId)?.credential).toEqual(owned);
  });

  it('stamps each writing differently', () => {
    expect(seal.seal(credential).stamp).not.toBe(seal.seal(credential).stamp);
  });

  it('does not open an entry for another client, nor one of another key', () => {
    const { text } = seal.seal(credential);
    expect(seal.open(text, 'cn_live_abcdefghijkm')).toBeNull();
    expect(sealUnder('l'.repeat(32)).open(text, credential.clientId)).toBeNull();
  });

  it('does not open an entry with any one byte changed', () => {
    const { text } = seal.seal(credential);
    for (let index = 0; index < text.length; index++) {
      const flipped = String.fromCharCode(text.charCodeAt(index) ^ 1);
      expect(seal.open(text.slice(0, index) + flipped + text.slice(index + 1), credential.clientId)).toBeNull();
    }
  });

  it.each(['', '|', '|||', 'c2|||', 'c3|1|n|', 'garbage', '{}', 'c3|1|n|m|{"client_id":"cn_live_abcdefghijkl"}'])(
    'does not open %j',
    (text) => {
      expect(seal.open(text, credential.clientId)).toBeNull();
    },
  );

  it('gives the same secret of two clients, and of two installations, different digests', () => {
    const secret = new Secret('s'.repeat(30));
    expect(seal.digest('a', secret)).toBe(seal.digest('a', secret));
    expect(seal.digest('a', secret)).not.toBe(seal.digest('b', secret));
    expect(seal.digest('a', secret)).not.toBe(sealUnder('l'.repeat(32)).digest('a', secret));
  });

  it('shows no key when inspected', () => {
    expect(inspect(seal, { showHidden: true, depth: null })).not.toMatch(/[0-9a-f]{2} [0-9a-f]{2} [0-9a-f]{2}/);
  });
});

describe('equalText', () => {
  it.each([
    ['a', 'a', true],
    ['a', 'b', false],
    ['a', 'aa', false],
    ['', '', true],
    ['ä', 'aa', false],
  ])('%j and %j: %s', (left, right, equal) => {
    expect(equalText(left, right)).toBe(equal);
  });
});
