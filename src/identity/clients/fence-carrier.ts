import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { RedisService, RedisUnavailableError } from '../../platform/redis/redis.service.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import { ClientsRepository, type PendingFence } from './clients.repository.js';
import { CredentialCache } from './credential-cache.js';

const EVERY_MS = 1_000;
const BATCH = 500;

/**
 * Carries revocations that Redis could not be told of: each is an outbox row in PostgreSQL, written in the same
 * transaction as the change, and goes once Redis has it. Without `REDIS_URL` there is nowhere to carry them.
 */
@Injectable()
export class FenceCarrier implements OnModuleInit {
  #carrying: Promise<boolean> | null = null;

  constructor(
    private readonly repository: ClientsRepository,
    private readonly cache: CredentialCache,
    private readonly redis: RedisService,
    private readonly periodic: PeriodicService,
    private readonly principals: PrincipalChanges,
  ) {}

  onModuleInit(): void {
    // A change of a user leaves word of its keys as well.
    this.principals.onFollow(() => this.carryNow());
    this.redis.onRecovered(() => void this.carry().catch(() => undefined));
    this.periodic.every('carry-revocations', EVERY_MS, () => this.carry());
  }

  /**
   * Carries what was committed before this call. @throws RedisUnavailableError when it could not: it is tried again by
   * itself. Rejects when PostgreSQL is away.
   */
  async carryNow(): Promise<void> {
    // What is under way already may have begun before.
    await this.#carrying?.catch(() => undefined);
    if (!(await this.#carryOnce())) throw new RedisUnavailableError();
  }

  /** Carries what waits; does nothing while Redis is away. Rejects when PostgreSQL goes away; nothing is lost. */
  async carry(): Promise<void> {
    await this.#carryOnce();
  }

  #carryOnce(): Promise<boolean> {
    this.#carrying ??= this.#carryBatch().finally(() => {
      this.#carrying = null;
    });
    return this.#carrying;
  }

  /** Whether nothing is left. In a Cluster one master may be away and the others not: its clients' rows wait, and no others with them. */
  async #carryBatch(): Promise<boolean> {
    if (this.redis.configured && !this.redis.usable) return false;
    const pending = await this.repository.pendingFences(BATCH);
    const outcomes = await Promise.all(pending.map((fence) => this.#isCarried(fence)));
    const carried = pending.filter((_, index) => outcomes[index]);
    if (carried.length > 0) await this.repository.removeFences(carried);
    return carried.length === pending.length && pending.length < BATCH;
  }

  async #isCarried({ clientId, version }: PendingFence): Promise<boolean> {
    if (!this.redis.configured) return true;
    return this.cache.raiseFence(clientId, version).then(
      () => true,
      () => false,
    );
  }
}
