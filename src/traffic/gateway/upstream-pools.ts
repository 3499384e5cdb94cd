import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { UpstreamPool } from './upstream-pool.js';

const MAX_CONNECTIONS = 1024;

/** A provider's connections, for the metrics. */
export interface PoolStats {
  readonly origin: string;
  readonly connected: number;
  readonly running: number;
}

/** One bounded pool of connections for each provider's origin, closed when the application shuts down. */
@Injectable()
export class UpstreamPools implements OnApplicationShutdown {
  private readonly pools = new Map<string, UpstreamPool>();

  constructor(private readonly settings: Settings) {}

  /** The pool of an origin, which must be one from the settings. */
  get(origin: string): UpstreamPool {
    let pool = this.pools.get(origin);
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
      this.pools.set(origin, pool);
    }
    return pool;
  }

  stats(): PoolStats[] {
    return [...this.pools.values()].map((pool) => ({ origin: pool.origin, ...pool.stats() }));
  }

  /** By now accepted requests have finished or run out of grace; what is left is broken off. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
  }
}
