import type { Transactions } from '../../../platform/database/transactions.js';
import type { ChangeReceipts } from '../../../platform/replicas/change-receipts.service.js';
import type { ReplicaRegistry } from '../../../platform/replicas/replica-registry.service.js';
import type { AdministratorsService } from '../administrators/administrators.service.js';
import { RoleChanges } from './role-changes.service.js';
import { RoleGraph } from './role-graph.js';
import type { RoleGraphRepository } from './role-graph.repository.js';
import type { RolesRepository } from './roles.repository.js';

const GRAPH = new RoleGraph();

/** Everything at hand, with receipts as a test says: of which changes they are asked is kept. */
function changesWith(of: (id: string, window: string) => Promise<unknown>): RoleChanges {
  return new RoleChanges(
    { run: (work: (transaction: unknown) => unknown) => work({}) } as unknown as Transactions,
    { assertOneRemains: (_: unknown, change: () => unknown) => change() } as unknown as AdministratorsService,
    { read: async () => GRAPH } as unknown as RoleGraphRepository,
    { announced: async () => ['7', '8'] } as unknown as RolesRepository,
    { of } as unknown as ChangeReceipts,
    { live: 3, staleSeconds: 960 } as ReplicaRegistry,
  );
}

describe('RoleChanges', () => {
  it('waits for every replica that could still answer by what was before, for each part of the change', async () => {
    const asked: string[] = [];
    const changes = changesWith(async (id, window) => {
      asked.push(`${id} ${window}`);
      return { everywhere: true };
    });
    await expect(changes.run(async (_, graph) => graph)).resolves.toEqual({
      done: GRAPH,
      propagation: { propagation: 'complete' },
    });
    expect(asked).toEqual(['7 stale', '8 stale']);
  });

  it('says how many have not confirmed, and by when they cease', async () => {
    const changes = changesWith(async (id) =>
      id === '7' ? { everywhere: true } : { everywhere: false, replicas: 2, boundedBySeconds: 40 },
    );
    const { propagation } = await changes.run(async () => undefined);
    expect(propagation).toEqual({ propagation: 'pending', replicas: 2, boundedBySeconds: 40 });
  });

  it('stands though PostgreSQL goes away while it waits, with the longest bound there is', async () => {
    const changes = changesWith(() => Promise.reject(new Error('away')));
    const { done, propagation } = await changes.run(async () => 'made');
    expect([done, propagation]).toEqual(['made', { propagation: 'pending', replicas: 3, boundedBySeconds: 960 }]);
  });

  it('does not wait where the change was refused', async () => {
    const changes = changesWith(() => Promise.reject(new Error('not to be asked')));
    await expect(changes.run(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  });
});
