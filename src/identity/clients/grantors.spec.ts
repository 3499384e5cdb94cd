import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { AuthState, ClientAuth, UserAuth } from '../../kernel/auth-state.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import { RequestRecord } from '../../kernel/request-record.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import type { AccessService } from '../access/access.service.js';
import { Grantors } from './grantors.js';

const USER: UserAuth = {
  kind: 'user',
  method: 'jwt',
  userId: 'usr_1',
  tier: 'free',
  scopes: null,
  sessionId: 'ses_1',
  tokenId: 'jti',
  grants: [],
  authenticatedAt: 0,
  amr: ['pwd'],
  mfa: false,
  providerToken: null,
};
const CLIENT: ClientAuth = {
  kind: 'client',
  method: 'client',
  clientId: 'cn_live_0123456789AB',
  tier: 'paid',
  scopes: ['admin'],
  owner: null,
  tokenId: null,
  allowedAddresses: ['192.0.2.0/24'],
  allowedModels: ['openai/*'],
  allowedProviders: ['openai'],
  providerToken: null,
};
const KEY: ClientAuth = { ...CLIENT, owner: { userId: 'usr_1', grants: [] } };
const BYOT: AuthState = { kind: 'byot', method: 'byot', providerToken: { value: new Secret('t'), provider: null } };

const NOTHING = { all: false, ids: [], ownerId: null, except: [] };
const asked: unknown[][] = [];
const access = {
  contextOf: () => 'the context',
  permissionsOf: (state: AuthState, context: unknown) => [`what ${state.kind} holds in ${context}`],
  heldOutright: (state: AuthState) => [`what ${state.kind} holds outright`],
  reach: (...args: unknown[]) => {
    asked.push(args);
    return NOTHING;
  },
} as unknown as AccessService;
const grantors = new Grantors(access);

const requestOf = (state: AuthState | null): HttpRequest =>
  ({
    identity: state === null ? null : { state },
    record: new RequestRecord('req_1', 'POST', '192.0.2.1', 'none', 0),
  }) as unknown as HttpRequest;

describe('a caller, for any client', () => {
  it('is limited by what it holds at the moment, and by lists of its own where it has some', () => {
    expect(grantors.of(requestOf(CLIENT))).toMatchObject({
      scopes: ['what client holds in the context'],
      lasting: ['what client holds outright'],
      allowedAddresses: CLIENT.allowedAddresses,
      allowedModels: CLIENT.allowedModels,
      allowedProviders: CLIENT.allowedProviders,
      selfId: null,
      ownerId: null,
      origin: { actorType: 'client', actorId: CLIENT.clientId },
    });
    expect(grantors.of(requestOf(USER))).toMatchObject({
      scopes: ['what user holds in the context'],
      allowedAddresses: null,
      allowedModels: null,
      allowedProviders: null,
      selfId: 'usr_1',
      ownerId: null,
      origin: { actorType: 'user', actorId: 'usr_1' },
    });
  });

  it('sees the clients that it may read', () => {
    expect(grantors.visibleTo(requestOf(USER))).toBe(NOTHING);
    expect(asked).toEqual([[USER, 'clients:read', 'clients', 'the context']]);
  });
});

describe('a caller, for its own', () => {
  it.each([
    ['a user', USER, 'free'],
    ['a key of theirs', KEY, 'paid'],
  ])('is %s', (_who, state, tier) => {
    expect(grantors.ofSelf(requestOf(state))).toMatchObject({ selfId: 'usr_1', ownerId: 'usr_1', tier });
    expect(grantors.selfOf(requestOf(state))).toBe('usr_1');
  });

  it.each([
    ['a client of nobody', CLIENT],
    ['a provider token alone', BYOT],
  ])('is not %s', (_who, state) => {
    expect(() => grantors.ofSelf(requestOf(state))).toThrow(UserRequiredError);
    expect(() => grantors.selfOf(requestOf(state))).toThrow(UserRequiredError);
  });
});

it('nobody is let on without an identity', () => {
  expect(() => grantors.of(requestOf(null))).toThrow(AuthUnavailableError);
});
