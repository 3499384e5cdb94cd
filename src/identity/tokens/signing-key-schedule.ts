import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { isDatabaseUnavailable } from '../../platform/database/database-error.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { logError } from '../../platform/logging/log-error.js';
import { ChangeFeed } from '../../platform/replicas/change-feed.service.js';
import { SigningKeyRotation, unreadableKeys } from './signing-key-rotation.js';
import { SigningKeys } from './signing-keys.service.js';

const LOOK_EVERY_MS = 60_000;

/** When keys are looked at: at start, when one was made or removed anywhere, and by one of all replicas every minute. */
@Injectable()
export class SigningKeySchedule implements OnModuleInit, OnApplicationBootstrap {
  constructor(
    private readonly keys: SigningKeys,
    private readonly rotation: SigningKeyRotation,
    private readonly feed: ChangeFeed,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.feed.on('signing_keys', () => this.#reload());
    this.feed.onResync(() => this.keys.load());
  }

  /**
   * Without PostgreSQL the process starts all the same, and has keys as soon as it is back.
   *
   * @throws InvalidSettingsError when there are keys that `MASTER_KEY` does not open.
   */
  async onApplicationBootstrap(): Promise<void> {
    this.periodic.every('rotate-signing-keys', LOOK_EVERY_MS, () => this.rotation.rotate(), { once: true });
    try {
      await this.#reload();
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
      logError(error, { context: 'signing-keys', level: 'warn' });
    }
  }

  /** The first key, and the next one when all were removed by hand, signs at once. */
  async #reload(): Promise<void> {
    await this.keys.load();
    if (this.keys.unreadable.size > 0) throw unreadableKeys();
    if (!this.keys.isEmpty) return;
    await this.rotation.rotate();
    await this.keys.load();
  }
}
