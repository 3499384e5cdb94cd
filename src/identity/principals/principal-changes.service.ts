import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import { logError } from '../../platform/logging/log-error.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { type Propagation, propagationOf } from '../../platform/replicas/change.js';
import { ChangeReceipts } from '../../platform/replicas/change-receipts.service.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import { PrincipalMemory } from './principal-memory.js';
import { PrincipalsRepository } from './principals.repository.js';

/** A change of a user, its grants, its sessions or its tokens, as it was announced to the replicas. */
export interface PrincipalChange {
  readonly userId: string;
  /** What is remembered under a lower one is void; `0` when nothing had to be announced. */
  readonly version: string;
  readonly changeIds: readonly string[];
}

type Follower = (userId: string) => Promise<void>;

/** Sees a committed change of a user through, until no replica answers from what was before. */
@Injectable()
export class PrincipalChanges {
  readonly #followers: Follower[] = [];

  constructor(
    private readonly repository: PrincipalsRepository,
    private readonly memory: PrincipalMemory,
    private readonly redis: RedisService,
    private readonly receipts: ChangeReceipts,
    private readonly registry: ReplicaRegistry,
  ) {}

  /**
   * Calls `follower` after each change of a user was committed, before the replicas are waited for. When it rejects, Redis
   * counts as not told.
   */
  onFollow(follower: Follower): void {
    this.#followers.push(follower);
  }

  /** What was changed of the user in this transaction; to be asked for as its last step. Rejects with the driver's error. */
  async changed(userId: string, transaction: Transaction): Promise<PrincipalChange> {
    return { userId, ...(await this.repository.announced(userId, transaction)) };
  }

  /**
   * Resolves once every replica that could still act on what was before has confirmed the change, two seconds later at
   * most; what it promises is what `Revocations.follow` promises for clients. Never rejects: Redis away is what the
   * receipts are for, and with PostgreSQL gone meanwhile the bound is the longest there is.
   */
  async follow({ userId, version, changeIds }: PrincipalChange): Promise<Propagation> {
    this.memory.end(userId, version);
    const told = await this.#tellRedis(userId, version);
    try {
      const window = told ? 'alone' : 'stale';
      return propagationOf(...(await Promise.all(changeIds.map((id) => this.receipts.of(id, window)))));
    } catch {
      return { propagation: 'pending', replicas: this.registry.live, boundedBySeconds: this.registry.staleSeconds };
    }
  }

  async #tellRedis(userId: string, version: string): Promise<boolean> {
    const told = this.redis.configured
      ? this.memory.endEverywhere(userId, version).then(
          () => true,
          () => false,
        )
      : Promise.resolve(false);
    const followed = await Promise.all(
      this.#followers.map((follower) =>
        follower(userId).then(
          () => true,
          (error: unknown) => {
            logError(error, { context: 'follow-principal', level: 'warn' });
            return false;
          },
        ),
      ),
    );
    return (await told) && followed.every(Boolean);
  }
}
