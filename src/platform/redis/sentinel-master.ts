import { createConnection } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-target.js';
import { nameOf } from './connection-options.js';
import type { Sentinels } from './sentinels.js';

type NetStream = Awaited<ReturnType<AbstractConnector['connect']>>;

/** A client of the master that the Sentinels name each time it connects. */
export class SentinelMaster {
  readonly client: Redis;
  #address: string | null = null;

  constructor(sentinels: Sentinels, options: RedisOptions) {
    const connectTo = async (): Promise<RedisAddress> => {
      const address = await sentinels.master();
      this.#address = nameOf(address);
      return address;
    };
    const tls = options.tls as ConnectionOptions | undefined;

    class MasterConnector extends AbstractConnector {
      constructor() {
        super(options.disconnectTimeout ?? 0);
      }

      /** Sentinel may name a master that has not heard of its promotion yet, or one that was demoted just now. */
      override check(info: { role?: string }): boolean {
        return info.role === undefined || info.role === 'master';
      }

      async connect(): Promise<NetStream> {
        this.connecting = true;
        const address = await connectTo();
        if (!this.connecting) throw new Error('The connection is not wanted any more.');
        this.stream = tls === undefined ? createConnection(address) : connectTls({ ...tls, ...address });
        this.stream.once('error', (error: Error) => {
          this.firstError = error;
        });
        return this.stream;
      }
    }
    this.client = new Redis({ ...options, Connector: MasterConnector });
  }

  /** `host:port` as the Sentinels named it when the present connection was made; null before the first. */
  get address(): string | null {
    return this.#address;
  }
}
