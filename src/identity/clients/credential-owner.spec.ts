import { CLIENT_ID } from '../../../test/support/credential-fakes.js';
import type { Grant } from '../../kernel/grant.js';
import { type CachedCredential, isActive } from './cached-credential.js';
import { clientAuthOf } from './credential-cache.js';
import { toOwner } from './credential-owner.js';

const GRANT: Grant = {
  id: 'grt_1',
  roleId: 'rol_1',
  effect: 'allow',
  scope: { type: 'all' },
  conditions: null,
  expiresAt: null,
};

describe('toOwner', () => {
  it('gives what was read, and nobody for nobody', () => {
    const row = { userId: 'usr_1', status: 'active', grants: [GRANT] };
    expect(toOwner(row)).toEqual(row);
    expect(toOwner(null)).toBeNull();
  });

  it('takes a user that is gone for one that is not active, never for nobody', () => {
    const owner = toOwner({ userId: 'usr_1', status: null, grants: [] });
    expect(owner).toEqual({ userId: 'usr_1', status: 'gone', grants: [] });
    expect(isActive({ status: 'active', expiresAt: null, owner }, 0)).toBe(false);
  });
});

describe('isActive', () => {
  it.each([
    ['active', true],
    ['suspended', false],
    ['invited', false],
  ])('of the key of a user who is %s: %s', (status, expected) => {
    const owner = { userId: 'usr_1', status, grants: [] };
    expect(isActive({ status: 'active', expiresAt: null, owner }, 0)).toBe(expected);
    expect(isActive({ status: 'disabled', expiresAt: null, owner }, 0)).toBe(false);
  });
});

describe('the state of a key', () => {
  it('has the grants of its owner as one frozen object, and not what is only for letting it in', () => {
    const credential = {
      clientId: CLIENT_ID,
      scopes: ['llm:invoke'],
      owner: { userId: 'usr_1', status: 'active', grants: [GRANT] },
      allowedAddresses: null,
      allowedModels: null,
      allowedProviders: null,
    } as unknown as CachedCredential;
    const { owner } = clientAuthOf(credential);
    expect(owner).toEqual({ userId: 'usr_1', grants: [GRANT] });
    expect([Object.isFrozen(owner), Object.isFrozen(owner?.grants)]).toEqual([true, true]);
  });
});
