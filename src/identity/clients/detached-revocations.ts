import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { RedisService } from '../../platform/redis/redis.service.js';
import { CredentialCache } from './credential-cache.js';
import { RevocationChannel } from './revocation-channel.js';

/**
 * Announces revocations from a process that serves nobody (the command line). Redis reaches every replica. Without
 * Redis the serving process cannot be told from here: it finds the outbox row, which therefore stays.
 */
@Injectable()
export class DetachedRevocations extends RevocationChannel {
  readonly recheckSeconds: number;

  constructor(
    settings: Settings,
    private readonly redis: RedisService,
    private readonly cache: CredentialCache,
  ) {
    super();
    this.recheckSeconds = settings.AUTH_CACHE_RECHECK_SECONDS;
  }

  async revoke(clientId: string, version: string): Promise<'everywhere' | 'pending'> {
    if (!this.redis.configured) return 'pending';
    try {
      await this.cache.raiseFence(clientId, version);
      return 'everywhere';
    } catch {
      return 'pending';
    }
  }
}
