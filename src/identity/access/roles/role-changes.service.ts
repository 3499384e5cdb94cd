import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../../../platform/database/transactions.js';
import { type Propagation, propagationOf } from '../../../platform/replicas/change.js';
import { ChangeReceipts } from '../../../platform/replicas/change-receipts.service.js';
import { ReplicaRegistry } from '../../../platform/replicas/replica-registry.service.js';
import { AdministratorsService } from '../administrators/administrators.service.js';
import type { RoleGraph } from './role-graph.js';
import { RoleGraphRepository } from './role-graph.repository.js';
import { RolesRepository } from './roles.repository.js';

/** What was done, and how far word of it got. */
export interface FollowedChange<T> {
  readonly done: T;
  readonly propagation: Propagation;
}

/** Changes roles and permissions: one at a time over all replicas, on what is there at that moment. */
@Injectable()
export class RoleChanges {
  constructor(
    private readonly transactions: Transactions,
    private readonly administrators: AdministratorsService,
    private readonly graphs: RoleGraphRepository,
    private readonly roles: RolesRepository,
    private readonly receipts: ChangeReceipts,
    private readonly registry: ReplicaRegistry,
  ) {}

  /**
   * Runs `work` in a transaction that no other such change runs beside, and waits, two seconds at most, until every
   * replica that could still act on what was before has confirmed what came of it. A replica that is cut off from
   * PostgreSQL goes on with the roles that it knows until it may no longer answer from memory.
   *
   * @param work gets the roles as they are now; when it throws, nothing is changed.
   * @throws what `work` throws; LastAdministratorError when it leaves nobody in charge; the driver's error when
   *   PostgreSQL is away.
   */
  async run<T>(work: (transaction: Transaction, graph: RoleGraph) => Promise<T>): Promise<FollowedChange<T>> {
    const { done, changeIds } = await this.transactions.run((transaction) =>
      this.administrators.assertOneRemains(transaction, async () => ({
        done: await work(transaction, await this.graphs.read(transaction)),
        changeIds: await this.roles.announced(transaction),
      })),
    );
    return { done, propagation: await this.#follow(changeIds) };
  }

  async #follow(changeIds: readonly string[]): Promise<Propagation> {
    try {
      return propagationOf(...(await Promise.all(changeIds.map((id) => this.receipts.of(id, 'stale')))));
    } catch {
      return { propagation: 'pending', replicas: this.registry.live, boundedBySeconds: this.registry.staleSeconds };
    }
  }
}
