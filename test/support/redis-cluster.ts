import { randomBytes } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import { freePort } from '../../src/platform/database/free-port.js';
import { eventually } from './eventually.js';
import { RedisProcess } from './redis-process.js';
import { knowAddresses, type RedisDeployment } from './redis-shape.js';

const MASTERS = 3;
const SLOTS = 16_384;
/** What concerns a node and not a key is asked of every node. */
const NODE_WIDE = new Set<PropertyKey>(['flushdb', 'flushall', 'script', 'config', 'keys', 'dbsize']);
const START_MS = 15_000;

interface ClusterOptions {
  readonly replicas?: 0 | 1;
  /** After so many milliseconds without an answer a node counts as away. */
  readonly nodeTimeoutMs?: number;
  /** Directives with the certificates that nodes and clients are spoken to with. */
  readonly tls?: Readonly<Record<string, string>>;
}

/** Three masters with a third of the slots each, and a replica for each of them if asked for. */
export class RedisCluster implements RedisDeployment {
  private constructor(
    readonly masters: readonly RedisProcess[],
    readonly replicas: readonly RedisProcess[],
    private readonly scheme: 'redis' | 'rediss',
  ) {
    knowAddresses(this.url, this.addresses);
  }

  static async start({ replicas = 0, nodeTimeoutMs = 10_000, tls }: ClusterOptions = {}): Promise<RedisCluster> {
    const nodes = await Promise.all(
      Array.from({ length: MASTERS * (1 + replicas) }, async (_, index) => {
        const [port, bus] = await Promise.all([freePort(), freePort()]);
        return { port, bus, id: randomBytes(20).toString('hex'), master: index % MASTERS, isReplica: index >= MASTERS };
      }),
    );
    /** What a node wrote down when it was stopped: so they need not be introduced to each other. */
    const memoryOf = (self: number) =>
      [
        ...nodes.map(({ port, bus, id, master, isReplica }, index) => {
          const role = isReplica ? `slave ${nodes[master]?.id}` : 'master -';
          const slots = isReplica ? '' : ` ${firstSlot(master)}-${firstSlot(master + 1) - 1}`;
          const flags = index === self ? 'myself,' : '';
          return `${id} 127.0.0.1:${port}@${bus} ${flags}${role} 0 0 ${master + 1} connected${slots}`;
        }),
        `vars currentEpoch ${MASTERS} lastVoteEpoch 0\n`,
      ].join('\n');
    const processes = await Promise.all(
      nodes.map(({ port, bus }, index) =>
        RedisProcess.startAt(port, {
          tls: tls !== undefined,
          directives: {
            ...(tls && { ...tls, 'tls-cluster': 'yes', 'tls-replication': 'yes' }),
            'cluster-enabled': 'yes',
            'cluster-port': String(bus),
            'cluster-config-file': 'nodes.conf',
            'cluster-node-timeout': String(nodeTimeoutMs),
            'cluster-allow-replica-migration': 'no',
            'repl-diskless-sync-delay': '0',
          },
          files: { 'nodes.conf': memoryOf(index) },
        }),
      ),
    );
    const up = processes.filter((one) => one !== null);
    const cluster = new RedisCluster(up.slice(0, MASTERS), up.slice(MASTERS), tls ? 'rediss' : 'redis');
    if (up.length < nodes.length) {
      await cluster.stop();
      throw new Error('A node of the Cluster did not start.');
    }
    await cluster.#becomesWhole();
    return cluster;
  }

  get url(): string {
    return `${this.scheme}+cluster://${this.masters.map(({ address }) => address).join(',')}`;
  }

  get addresses(): readonly string[] {
    return this.#all.map(({ address }) => address);
  }

  connect(): Redis {
    const cluster = new Cluster(
      this.masters.map(({ port }) => ({ host: '127.0.0.1', port })),
      { clusterRetryStrategy: () => 50, redisOptions: { maxRetriesPerRequest: 1 } },
    ).on('error', () => undefined);
    const onEveryMaster = async (name: PropertyKey, args: unknown[]) => {
      const results = await Promise.all(
        this.masters.map(async (master) => {
          const client = this.connectTo(master);
          // biome-ignore lint/suspicious/noExplicitAny: a command by its name
          const result = await (client as any)[name](...args);
          client.disconnect();
          return result;
        }),
      );
      if (Array.isArray(results[0])) return results.flat();
      return typeof results[0] === 'number' ? results.reduce((sum, count) => sum + count) : results[0];
    };
    return new Proxy(cluster, {
      get(target, name) {
        if (NODE_WIDE.has(name)) return (...args: unknown[]) => onEveryMaster(name, args);
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }) as unknown as Redis;
  }

  connectTo({ port }: RedisProcess): Redis {
    const tls = this.scheme === 'rediss' ? { tls: { rejectUnauthorized: false } } : {};
    return new Redis(port, '127.0.0.1', { retryStrategy: () => 50, ...tls }).on('error', () => undefined);
  }

  /** The master that has the slot at the start. */
  masterOf(slot: number): RedisProcess {
    return this.masters.findLast((_, index) => firstSlot(index) <= slot) as RedisProcess;
  }

  async kill(): Promise<void> {
    await Promise.all(this.#all.map((node) => node.kill()));
  }

  pause(): void {
    for (const node of this.#all) node.pause();
  }

  resume(): void {
    for (const node of this.#all) node.resume();
  }

  async restart(): Promise<void> {
    await this.kill();
    await Promise.all(this.#all.map((node) => node.restart()));
    await this.#becomesWhole();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((node) => node.stop()));
  }

  get #all(): readonly RedisProcess[] {
    return [...this.masters, ...this.replicas];
  }

  async #becomesWhole(): Promise<void> {
    const clients = this.#all.map((node) => this.connectTo(node));
    try {
      await eventually(async () => {
        const states = await Promise.all(clients.map((client) => client.cluster('INFO')));
        return states.every((state) => String(state).includes('cluster_state:ok'));
      }, START_MS);
    } finally {
      for (const client of clients) client.disconnect();
    }
  }
}

function firstSlot(master: number): number {
  return Math.ceil((master * SLOTS) / MASTERS);
}
