import type { Transaction } from '../../platform/database/transactions.js';
import type { ChangeReceipts } from '../../platform/replicas/change-receipts.service.js';
import type { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import type { ClientTokensService } from '../clients/client-tokens.service.js';
import type { PrincipalChanges } from '../principals/principal-changes.service.js';
import { TokenChanges } from './token-changes.js';

const IN_TRANSACTION = {} as Transaction;
const registry = { live: 3, staleSeconds: 960 } as ReplicaRegistry;

function build(fakes: { receipts?: object; clients?: object; principals?: object }): TokenChanges {
  const { receipts = {}, clients = {}, principals = {} } = fakes;
  return new TokenChanges(
    principals as PrincipalChanges,
    clients as ClientTokensService,
    receipts as ChangeReceipts,
    registry,
  );
}

describe('what concerns everybody', () => {
  it('is complete when every replica has confirmed each change, those included that reach Redis alone', async () => {
    const of = jest.fn(async () => ({ everywhere: true }));
    expect(await build({ receipts: { of } }).ofEverybody(['7', '8'])()).toEqual({ propagation: 'complete' });
    expect(of.mock.calls).toEqual([
      ['7', 'stale'],
      ['8', 'stale'],
    ]);
  });

  it('is pending for as long as can be when PostgreSQL goes away meanwhile', async () => {
    const of = async () => {
      throw new Error('away');
    };
    expect(await build({ receipts: { of } }).ofEverybody(['7'])()).toEqual({
      propagation: 'pending',
      replicas: 3,
      boundedBySeconds: 960,
    });
  });
});

it('of a client that is gone there is nothing left to follow', async () => {
  const changes = build({ clients: { changed: async () => null } });
  expect(await (await changes.ofClient('cn_live_0123456789AB', IN_TRANSACTION))()).toEqual({ propagation: 'complete' });
});
