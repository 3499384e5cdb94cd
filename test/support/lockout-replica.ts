import { DataSource } from 'typeorm';
import type { AttemptKeys, ReservedAttempt } from '../../src/identity/sign-in/sign-in-attempts.repository.js';
import { SignInAttemptsRepository } from '../../src/identity/sign-in/sign-in-attempts.repository.js';
import { SignInLockout } from '../../src/identity/sign-in/sign-in-lockout.service.js';
import { RateLimitedError } from '../../src/kernel/app-error.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { buildSettings } from './build-settings.js';

/** What a replica does with an attempt: it is right, wrong, or its process dies over it. */
export type Ending = 'right' | 'wrong' | 'dies';

/** The lockout of one replica, with a pool of its own. */
export class LockoutReplica {
  /** Attempts that were let through to be hashed. */
  evaluated = 0;

  private constructor(
    readonly lockout: SignInLockout,
    readonly attempts: SignInAttemptsRepository,
    private readonly source: DataSource,
  ) {}

  static async start(url: string, settings: Partial<Record<keyof Settings, string>> = {}): Promise<LockoutReplica> {
    const source = await new DataSource(servingOptions(url, 5)).initialize();
    const attempts = new SignInAttemptsRepository(source);
    return new LockoutReplica(new SignInLockout(attempts, buildSettings(settings)), attempts, source);
  }

  /** One attempt: what was reserved, or the seconds to wait when it was refused. */
  async try(keys: AttemptKeys, ending: Ending = 'wrong'): Promise<ReservedAttempt | number> {
    try {
      const attempt = await this.lockout.reserve(keys);
      this.evaluated += 1;
      await new Promise((hashed) => setImmediate(hashed));
      if (ending === 'wrong') await this.source.transaction((each) => this.attempts.failed(attempt.id, each));
      if (ending === 'right')
        await this.source.transaction((each) => this.attempts.succeeded(attempt.id, keys.account, each));
      return attempt;
    } catch (error) {
      if (error instanceof RateLimitedError) return Number(error.retryAfterSeconds);
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.source.destroy();
  }
}
