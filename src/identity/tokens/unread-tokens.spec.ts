import { buildSettings } from '../../../test/support/build-settings.js';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { AuthState, RequestIdentity } from '../../kernel/auth-state.js';
import type { Transactions } from '../../platform/database/transactions.js';
import type { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type AuditService, SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import type { ClientRecall } from '../clients/client-recall.service.js';
import type { AccessTokensService } from './access-tokens.service.js';
import { ClientGrantService } from './client-grant.service.js';
import { IntrospectionService } from './introspection.service.js';
import type { RefreshFamilies } from './refresh-families.service.js';
import type { TokenChanges } from './token-changes.js';
import type { TokenRevocationsRepository } from './token-revocations.repository.js';
import { TokenRevocationsService } from './token-revocations.service.js';
import type { TokenStanding } from './token-standing.service.js';

/** A replica that cannot tell whether a token is one: it says so, and neither yes nor no. */
const access = {
  read: () => {
    throw new AuthUnavailableError();
  },
} as unknown as AccessTokensService;
const families = { isToken: () => false } as unknown as RefreshFamilies;
const state = {
  kind: 'client',
  method: 'client',
  clientId: 'cn_live_0123456789AB',
  scopes: [],
} as unknown as AuthState;

it('introspection does not call a token void that could not be read', async () => {
  const service = new IntrospectionService(buildSettings(), access, {} as TokenStanding, families);
  await expect(service.describe('token')).rejects.toThrow(AuthUnavailableError);
});

it('revocation does not call a token revoked that could not be read', async () => {
  const service = new TokenRevocationsService(
    access,
    families,
    {} as TokenRevocationsRepository,
    {} as Transactions,
    {} as TokenChanges,
    {} as AuditService,
  );
  await expect(service.revoke('token', { state, mayRevokeAny: true, origin: SYSTEM_ORIGIN })).rejects.toThrow(
    AuthUnavailableError,
  );
});

it('a client that went while it asked gets no token', async () => {
  const clients = { recallAnew: async () => null } as unknown as ClientRecall;
  const service = new ClientGrantService(buildSettings(), clients, access, {} as AuditService, {} as DatabaseClock);
  const identity = { state } as unknown as RequestIdentity;
  await expect(service.grant(identity, new Map([['grant_type', 'client_credentials']]), SYSTEM_ORIGIN)).rejects.toThrow(
    AuthUnavailableError,
  );
});

it('whoever is nobody of ours revokes nothing by their own right', async () => {
  const found = { ...families, isToken: () => true, find: async () => ({ userId: 'usr_0123456789ABCDEFGHIJ' }) };
  const service = new TokenRevocationsService(
    access,
    found as unknown as RefreshFamilies,
    {} as TokenRevocationsRepository,
    {} as Transactions,
    {} as TokenChanges,
    {} as AuditService,
  );
  const byot = { kind: 'byot', method: 'byot' } as unknown as AuthState;
  await expect(service.revoke('cnr_', { state: byot, mayRevokeAny: false, origin: SYSTEM_ORIGIN })).rejects.toThrow(
    'This token was not given to you.',
  );
});
