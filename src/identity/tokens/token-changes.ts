import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import { type Propagation, propagationOf } from '../../platform/replicas/change.js';
import { ChangeReceipts } from '../../platform/replicas/change-receipts.service.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import { ClientTokensService } from '../clients/client-tokens.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';

/** To be called after the commit: resolves when no replica takes what was voided, or says how many may. Never rejects. */
export type Follow = () => Promise<Propagation>;

/** Sees revocations through to every replica, whoever they are about. */
@Injectable()
export class TokenChanges {
  constructor(
    private readonly principals: PrincipalChanges,
    private readonly clients: ClientTokensService,
    private readonly receipts: ChangeReceipts,
    private readonly registry: ReplicaRegistry,
  ) {}

  /** Of what this transaction has changed of a user; its last step. */
  async ofUser(userId: string, transaction: Transaction): Promise<Follow> {
    const change = await this.principals.changed(userId, transaction);
    return () => this.principals.follow(change);
  }

  /** Of what this transaction has changed of a client; its last step. */
  async ofClient(clientId: string, transaction: Transaction): Promise<Follow> {
    const change = await this.clients.changed(clientId, transaction);
    return () => (change === null ? Promise.resolve({ propagation: 'complete' }) : this.clients.follow(change));
  }

  /** Voids all short tokens of a client. @throws NotFoundError */
  async endAllOfClient(clientId: string, transaction: Transaction): Promise<Follow> {
    const change = await this.clients.endAll(clientId, transaction);
    return () => this.clients.follow(change);
  }

  /** Of what concerns everybody. Redis knows nothing of it: a replica that PostgreSQL cannot reach is waited for. */
  ofEverybody(changeIds: readonly string[]): Follow {
    return async () => {
      try {
        return propagationOf(...(await Promise.all(changeIds.map((id) => this.receipts.of(id, 'stale')))));
      } catch {
        return { propagation: 'pending', replicas: this.registry.live, boundedBySeconds: this.registry.staleSeconds };
      }
    };
  }
}
