import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { ClientsRepository } from './clients.repository.js';
import { CredentialCache } from './credential-cache.js';

const EVERY_MS = 1_000;
const BATCH = 500;

/**
 * Carries revocations that Redis could not be told of: each is an outbox row in PostgreSQL, written in the same
 * transaction as the change, and goes once Redis has it. Without `REDIS_URL` there is nowhere to carry them.
 */
@Injectable()
export class FenceCarrier implements OnModuleInit {
  #carrying: Promise<void> | null = null;

  constructor(
    private readonly repository: ClientsRepository,
    private readonly cache: CredentialCache,
    private readonly redis: RedisService,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.redis.onRecovered(() => void this.carry().catch(() => undefined));
    this.periodic.every('carry-revocations', EVERY_MS, () => this.carry());
  }

  /** Carries what waits; does nothing while Redis is away. Rejects when PostgreSQL goes away; nothing is lost. */
  carry(): Promise<void> {
    this.#carrying ??= this.#carryBatch().finally(() => {
      this.#carrying = null;
    });
    return this.#carrying;
  }

  async #carryBatch(): Promise<void> {
    if (this.redis.configured && !this.redis.usable) return;
    for (const { clientId, version } of await this.repository.pendingFences(BATCH)) {
      if (await this.#isCarried(clientId, version)) await this.repository.removeFence(clientId, version);
    }
  }

  /** In a Cluster one master may be away and the others not: its clients' rows wait, and no others with them. */
  async #isCarried(clientId: string, version: string): Promise<boolean> {
    if (!this.redis.configured) return true;
    return this.cache.raiseFence(clientId, version).then(
      () => true,
      () => false,
    );
  }
}
