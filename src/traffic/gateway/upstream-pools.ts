import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import type { RemoteProvider } from './providers/provider.js';
import { UpstreamPool } from './upstream-pool.js';

const MAX_CONNECTIONS = 1024;

/** One bounded pool of connections for each provider, closed when the application shuts down. */
@Injectable()
export class UpstreamPools implements OnApplicationShutdown {
  private readonly pools = new Map<string, UpstreamPool>();

  constructor(private readonly settings: Settings) {}

  /** The connections to a provider, whose origin is the operator's choice. */
  get({ name, origin }: RemoteProvider): UpstreamPool {
    let pool = this.pools.get(name);
    if (pool === undefined) {
      pool = new UpstreamPool(
        origin,
        {
          connectMs: this.settings.PROVIDER_CONNECT_TIMEOUT_MS,
          firstByteMs: this.settings.PROVIDER_FIRST_BYTE_TIMEOUT_MS,
          idleMs: this.settings.PROVIDER_IDLE_TIMEOUT_MS,
        },
        MAX_CONNECTIONS,
      );
      this.pools.set(name, pool);
    }
    return pool;
  }

  /** By provider: open connections, or requests under way. */
  stats(kind: 'connected' | 'running'): Record<string, number> {
    return Object.fromEntries([...this.pools].map(([name, pool]) => [name, pool.stats()[kind]]));
  }

  /** By now accepted requests have finished or run out of grace; what is left is broken off. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
  }
}
