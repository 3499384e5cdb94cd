import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { SignInAttemptsRepository } from './sign-in-attempts.repository.js';
import { SignInRecoveriesRepository } from './sign-in-recoveries.repository.js';

const INTERVAL_MS = 600_000;

/** Removes attempts that no counter looks at any more, and recoveries whose hour is over. */
@Injectable()
export class SignInCleanup implements OnApplicationBootstrap {
  constructor(
    private readonly attempts: SignInAttemptsRepository,
    private readonly recoveries: SignInRecoveriesRepository,
    private readonly periodic: PeriodicService,
  ) {}

  onApplicationBootstrap(): void {
    this.periodic.every('sign-in-attempts', INTERVAL_MS, () => this.run(), { once: true });
  }

  /** Rejects with the driver's error. */
  async run(): Promise<void> {
    await this.attempts.deleteExpired();
    await this.recoveries.deleteExpired();
  }
}
