import { Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-target.js';
import { nameOf } from './connection-options.js';
import { type NodeContext, type NodeOptions, RedisNode } from './redis-node.js';
import type { RedisState, RedisTopology, Send } from './redis-topology.js';
import { SentinelMaster } from './sentinel-master.js';
import type { Sentinels } from './sentinels.js';

/** How often the Sentinels are asked whether the master is still the same, and how far that is spread. */
const WATCH_MS = 800;
const WATCH_SPREAD_MS = 400;

type Hooks = Pick<NodeOptions, 'probe' | 'onClosed'>;

/** One server for every key: a single Redis, or the master that Sentinels name. */
export class OneMaster implements RedisTopology {
  #timer: NodeJS.Timeout | null = null;

  private constructor(
    private readonly node: RedisNode,
    private readonly watched: { readonly master: SentinelMaster; readonly sentinels: Sentinels } | null,
  ) {}

  static single(context: NodeContext, address: RedisAddress, options: RedisOptions, hooks: Hooks): OneMaster {
    const client = new Redis({ ...options, ...address });
    return new OneMaster(new RedisNode(context, { ...hooks, name: nameOf(address), client }), null);
  }

  /**
   * Follows a failover: a connection that breaks, or a server that was demoted, makes it ask the Sentinels again, and so
   * does a master of before that still answers, within 1.2 s of the Sentinels naming another.
   */
  static behindSentinels(context: NodeContext, sentinels: Sentinels, options: RedisOptions, hooks: Hooks): OneMaster {
    const master = new SentinelMaster(sentinels, options);
    const node = new RedisNode(context, { ...hooks, name: 'the master', client: master.client });
    return new OneMaster(node, { master, sentinels });
  }

  get usable(): boolean {
    return this.node.usable;
  }

  get state(): RedisState {
    return this.usable ? 'up' : 'down';
  }

  async start(): Promise<void> {
    await this.watched?.sentinels.start();
    await this.node.start();
    this.#watch();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.node.stop();
    this.watched?.sentinels.stop();
  }

  call(_key: string | undefined, send: Send): Promise<unknown> {
    return this.node.call(send);
  }

  #watch(): void {
    if (this.watched === null) return;
    const { master, sentinels } = this.watched;
    this.#timer = setTimeout(
      async () => {
        const named = await sentinels.master().catch(() => null);
        if (this.#timer === null) return;
        if (named !== null && master.address !== null && nameOf(named) !== master.address) this.node.reconnect();
        this.#watch();
      },
      WATCH_MS + Math.random() * WATCH_SPREAD_MS,
    ).unref();
  }
}
