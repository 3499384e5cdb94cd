import { FREE_ATTEMPT, UNRESTRICTED } from '../../../../test/support/attempts.js';
import { InvalidApiKeyError } from '../../../kernel/app-error.js';
import type { ClientAuth, CredentialFence, ProviderToken } from '../../../kernel/auth-state.js';
import { Secret } from '../../../kernel/secret.js';
import type { ClientCredential, CredentialService, VerifiedCredential } from '../../clients/credential.service.js';
import { ClientCredentialsStrategy } from './client-credentials.strategy.js';

const KEY = 'the-key';
const credential: ClientCredential = { clientId: 'id', secret: new Secret('s') };
const client: ClientAuth = {
  kind: 'client',
  method: 'client',
  owner: null,
  tokenId: null,
  clientId: 'id',
  tier: 'free',
  scopes: ['admin'],
  ...UNRESTRICTED,
  providerToken: null,
};
const narrowed: ClientAuth = { ...client, scopes: [] };
const fence: CredentialFence = { key: 'k', stamp: 's', ttlMs: 1 };
const providerToken: ProviderToken = { value: new Secret('sk-1'), provider: 'openai' };

/** Knows one key; what the check answers is up to the test. */
function strategyWith(verified: VerifiedCredential | Promise<VerifiedCredential>, holds = true) {
  const credentials = {
    readApiKey: (text: string) => (text === KEY ? credential : null),
    readPair: (id: string, secret: string) => (id === 'id' && secret === 'se:cret' ? credential : null),
    verify: () => verified,
    verifyAnew: async () => ({ client: narrowed, fence: null }),
    confirm: async () => holds,
  } as unknown as CredentialService;
  return new ClientCredentialsStrategy(credentials);
}

function authenticate(
  header: 'authorization' | 'api-key',
  value: string,
  strategy = strategyWith({ client, fence: null }),
  token: ProviderToken | null = null,
) {
  const claim = strategy.recognise({
    identity: { header, value: new Secret(value) },
    session: null,
    providerToken: token,
  });
  if (claim === null) throw new Error('not recognised');
  return claim.authenticate(FREE_ATTEMPT);
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('ClientCredentialsStrategy', () => {
  it.each([
    ['api-key', KEY],
    ['authorization', `Bearer ${KEY}`],
    ['authorization', `bearer ${KEY}`],
    ['authorization', `BEARER ${KEY}`],
    ['authorization', basic('id:se:cret')],
    ['authorization', basic('id:se:cret').replace('Basic', 'basic')],
  ] as const)('reads %s: %s', (header, value) => {
    expect(authenticate(header, value)).toMatchObject({ state: client, fence: null });
  });

  it.each([
    ['api-key', `Bearer ${KEY}`],
    ['api-key', ` ${KEY}`],
    ['api-key', ''],
    ['authorization', KEY],
    ['authorization', ''],
    ['authorization', 'Bearer'],
    ['authorization', 'Bearer '],
    ['authorization', `Bearer  ${KEY}`],
    ['authorization', `Bearer ${KEY} `],
    ['authorization', `Digest ${KEY}`],
    ['authorization', basic('id')],
    ['authorization', basic('id:')],
    ['authorization', `${basic('id:se:cret')}=`],
    ['authorization', basic('id:se:cret').replace('Basic ', 'Basic  ')],
    ['authorization', 'Basic !!!!'],
  ] as const)('refuses %s: %j without asking', (header, value) => {
    expect(() => authenticate(header, value)).toThrow(InvalidApiKeyError);
  });

  it('recognises no request without an identity', () => {
    expect(strategyWith({ client, fence }).recognise({ identity: null, session: null, providerToken })).toBeNull();
  });

  it('carries a provider token beside the identity, for this request only', () => {
    expect(authenticate('api-key', KEY, undefined, providerToken)).toMatchObject({
      state: { ...client, providerToken },
    });
    expect(client.providerToken).toBeNull();
  });

  it.each([
    ['at once', { client, fence }],
    ['when it had to ask', Promise.resolve({ client, fence })],
  ])('hands out a provisional identity %s; confirming makes it certain', async (_when, verified) => {
    const identity = await authenticate('api-key', KEY, strategyWith(verified), providerToken);
    expect(identity.fence).toBe(fence);
    await expect(identity.confirm()).resolves.toMatchObject({ state: { ...client, providerToken }, fence: null });
  });

  it('authenticates anew where the fence does not hold, keeping the provider token', async () => {
    const identity = await authenticate('api-key', KEY, strategyWith({ client, fence }, false), providerToken);
    await expect(identity.confirm()).resolves.toMatchObject({ state: { ...narrowed, providerToken }, fence: null });
  });

  it('has nothing to confirm where it is certain', async () => {
    const identity = await authenticate('api-key', KEY);
    await expect(identity.confirm()).resolves.toBe(identity);
    await expect(identity.renew()).resolves.toMatchObject({ state: narrowed, fence: null });
  });
});
