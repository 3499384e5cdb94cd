import { buildAccess } from '../../../test/support/access.js';
import { UNRESTRICTED } from '../../../test/support/attempts.js';
import { AddressNotAllowedError, PermissionDeniedError } from '../../kernel/app-error.js';
import type { AuthState } from '../../kernel/auth-state.js';
import { AllowByot, Public, Require } from '../../kernel/handler-marks.js';
import { Secret } from '../../kernel/secret.js';
import { type AskingRequest, holds } from './access.service.js';

class Routes {
  unmarked() {}
  @Public() open() {}
  @Require('authenticated') anyone() {}
  @Require('clients:read') readers() {}
  @Require('llm:invoke') @AllowByot() llm() {}
}

@Require('logs:read')
class MarkedRoutes {
  inherits() {}
  @Require('clients:write') overrides() {}
}

const client = (...scopes: string[]): AuthState => ({
  kind: 'client',
  method: 'client',
  owner: null,
  tokenId: null,
  clientId: 'c',
  tier: 'free',
  scopes,
  ...UNRESTRICTED,
  providerToken: null,
});
const byot: AuthState = { kind: 'byot', method: 'byot', providerToken: { value: new Secret('t'), provider: null } };
const access = buildAccess();
const ADDRESS = '192.0.2.7';
const from = (address: string) => ({ record: { address }, params: {} }) as AskingRequest;
const ask =
  (route: keyof Routes, state: AuthState, address = ADDRESS) =>
  () =>
    access.assertAllowed(Routes.prototype[route], Routes, state, from(address));

describe('AccessService', () => {
  it('refuses a route without a mark to everybody', () => {
    expect(ask('unmarked', client('admin'))).toThrow(PermissionDeniedError);
    expect(ask('unmarked', byot)).toThrow(PermissionDeniedError);
    expect(access.isPublic(Routes.prototype.unmarked, Routes)).toBe(false);
  });

  it('lets everybody through a public route', () => {
    expect(access.isPublic(Routes.prototype.open, Routes)).toBe(true);
    expect(ask('open', client())).not.toThrow();
  });

  it.each<[keyof Routes, string[], boolean]>([
    ['anyone', [], true],
    ['readers', [], false],
    ['readers', ['clients:write'], false],
    ['readers', ['clients:read'], true],
    ['readers', ['admin'], true],
    ['llm', ['llm:invoke'], true],
    ['llm', ['clients:read'], false],
  ])('%s with scopes %j: %s', (route, scopes, allowed) => {
    const asked = expect(ask(route, client(...scopes)));
    if (allowed) asked.not.toThrow();
    else asked.toThrow(PermissionDeniedError);
  });

  it('opens to a bare provider token only what is marked for it', () => {
    expect(ask('llm', byot)).not.toThrow();
    expect(ask('anyone', byot)).toThrow('A provider token alone');
    expect(ask('readers', byot)).toThrow(PermissionDeniedError);
  });

  it("takes a controller's mark where the handler has none", () => {
    const on = (handler: () => void, state: AuthState) => () =>
      access.assertAllowed(handler, MarkedRoutes, state, from(ADDRESS));
    expect(on(MarkedRoutes.prototype.inherits, client('logs:read'))).not.toThrow();
    expect(on(MarkedRoutes.prototype.overrides, client('logs:read'))).toThrow('"clients:write"');
  });
});

describe('allowed addresses', () => {
  const bound = (...allowedAddresses: string[]): AuthState =>
    ({ ...client('admin'), allowedAddresses: Object.freeze(allowedAddresses) }) as AuthState;

  it.each<[string, string[], boolean]>([
    ['192.0.2.7', ['192.0.2.7'], true],
    ['192.0.2.7', ['198.51.100.0/24', '192.0.2.0/24'], true],
    ['192.0.2.7', ['192.0.2.8'], false],
    ['2001:db8::7', ['2001:db8::/32'], true],
    ['2001:db8::7', ['192.0.2.7'], false],
    ['192.0.2.7', [], false],
    ['0.0.0.0', ['192.0.2.7'], false],
  ])('from %s with the list %j: %s', (address, list, allowed) => {
    for (const route of ['anyone', 'readers', 'llm'] as const) {
      const asked = expect(ask(route, bound(...list), address));
      if (allowed) asked.not.toThrow();
      else asked.toThrow(AddressNotAllowedError);
    }
    expect(ask('open', bound(...list), address)).not.toThrow();
  });

  it('are asked of the list as it is, remembered or not', () => {
    const state = bound('192.0.2.7');
    for (let round = 0; round < 3; round++) {
      expect(ask('anyone', state)).not.toThrow();
      expect(ask('anyone', state, '192.0.2.8')).toThrow(AddressNotAllowedError);
    }
    expect(ask('anyone', bound('192.0.2.8'))).toThrow(AddressNotAllowedError);
  });

  it('bind no bare provider token', () => {
    expect(ask('llm', byot, '203.0.113.1')).not.toThrow();
  });
});

describe('holds', () => {
  it('takes scopes whole, never by prefix or pattern', () => {
    expect(holds(['clients'], 'clients:read')).toBe(false);
    expect(holds(['clients:*'], 'clients:read')).toBe(false);
    expect(holds(['ADMIN'], 'clients:read')).toBe(false);
  });
});
