import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { RefreshTokensRepository } from './refresh-tokens.repository.js';
import { TokenRevocationsRepository } from './token-revocations.repository.js';

const CLEAN_EVERY_MS = 600_000;
/** Replicas' clocks differ by less: nobody takes a token for good that was forgotten here. */
const KEPT_MS = 60_000;
/** Rows of one statement. */
const BATCH = 5_000;

/** Removes what has ended by itself: refresh tokens, their families, and the list of revoked access tokens. */
@Injectable()
export class ExpiredTokens implements OnModuleInit {
  constructor(
    private readonly refreshTokens: RefreshTokensRepository,
    private readonly revocations: TokenRevocationsRepository,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('forget-expired-tokens', CLEAN_EVERY_MS, () => this.remove(), { once: true });
  }

  /** Rejects with the driver's error when PostgreSQL is away; the rest is for the next time. */
  async remove(): Promise<void> {
    const before = new Date(this.clock.now() - KEPT_MS);
    while ((await this.refreshTokens.removeExpired(before, BATCH)) >= BATCH);
    while ((await this.revocations.removeExpired(before, BATCH)) >= BATCH);
  }
}
