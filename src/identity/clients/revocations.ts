import { Injectable } from '@nestjs/common';
import { RedisService } from '../../platform/redis/redis.service.js';
import { type Propagation, propagationOf } from '../../platform/replicas/change.js';
import { ChangeReceipts } from '../../platform/replicas/change-receipts.service.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import { ClientsRepository } from './clients.repository.js';
import { CredentialCache } from './credential-cache.js';

/** A committed change of a client or its secrets. */
export interface CredentialChange {
  readonly clientId: string;
  /** Cached credentials with a lower version are void. */
  readonly version: string;
  /** As it was announced to the replicas; null when there was nothing to announce. */
  readonly changeId: string | null;
}

/** Sees a committed change through, until no cache answers from what was before; in any process, serving or not. */
@Injectable()
export class Revocations {
  constructor(
    private readonly redis: RedisService,
    private readonly cache: CredentialCache,
    private readonly repository: ClientsRepository,
    private readonly receipts: ChangeReceipts,
    private readonly registry: ReplicaRegistry,
  ) {}

  /**
   * Resolves once every replica that could still act on what was before has confirmed the change, two seconds later at
   * most. `complete`: no request that starts from now on is answered from before the change, whatever becomes of Redis;
   * a replica that has not reached PostgreSQL for longer than the recheck bound is kept out by Redis alone.
   * `pending`: so many replicas have not confirmed; each ceases within the bound. Never rejects: Redis away is what the
   * receipts are for, and with PostgreSQL gone meanwhile the bound is the longest there is.
   */
  async follow({ clientId, version, changeId }: CredentialChange): Promise<Propagation> {
    this.cache.raiseLocalFence(clientId, version);
    const told = await this.#tellRedis(clientId, version);
    try {
      return propagationOf(await this.receipts.of(changeId, told ? 'alone' : 'stale'));
    } catch {
      return { propagation: 'pending', replicas: this.registry.live, boundedBySeconds: this.registry.staleSeconds };
    }
  }

  async #tellRedis(clientId: string, version: string): Promise<boolean> {
    if (!this.redis.configured) return false;
    try {
      await this.cache.raiseFence(clientId, version);
    } catch {
      return false;
    }
    // A row that stays behind is carried once more, to no effect.
    await this.repository.removeFences([{ clientId, version }]).catch(() => undefined);
    return true;
  }
}
