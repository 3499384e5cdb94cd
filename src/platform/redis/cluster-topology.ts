import { Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-target.js';
import { slotOf } from './cluster-slot.js';
import { readSlots, resolveAddress, type SlotRange } from './cluster-slots-reply.js';
import { nameOf } from './connection-options.js';
import { redisKey } from './redis-key.js';
import { type NodeContext, type NodeOptions, RedisNode } from './redis-node.js';
import type { RedisState, RedisTopology, Send } from './redis-topology.js';
import { RedirectedError, RedisUnavailableError } from './redis-unavailable.error.js';

const SLOTS = 16_384;
/** How often the Cluster is asked who has which slots: in peace, and while a part of it is away. */
const REFRESH_MS = 5_000;
const REFRESH_TROUBLED_MS = 500;
/** The least time between two such questions, however many redirections ask for them. */
const REFRESH_MIN_MS = 100;
/** Nodes asked in one go at most, each for a call's time. */
const NODES_ASKED = 4;
const MAX_REDIRECTIONS = 3;
/** A call that took this long is not sent again: two calls in a row may not take much longer than one. */
const REDIRECT_WITHIN_MS = 50;
/** A node that a redirection led to is kept for so long though it has no slots yet. */
const KEEP_UNSLOTTED_MS = 60_000;
const PROBE_KEYS_TRIED = 20_000;

type Hooks = Pick<NodeOptions, 'onClosed'> & { readonly probe: (client: Redis, key: string) => Promise<unknown> };

/**
 * The masters of a Redis Cluster, one connection and one breaker each: a master that is away takes its own slots with
 * it and no others. ioredis' own Cluster client is not used because it keeps on opening connections to a master that is
 * gone, for every call one, and has one state for all nodes (docs/decisions/0008).
 */
export class ClusterTopology implements RedisTopology {
  readonly #nodes = new Map<string, RedisNode>();
  readonly #slots = new Array<RedisNode | undefined>(SLOTS).fill(undefined);
  readonly #wantedAt = new Map<RedisNode, number>();
  #covered = false;
  #masters: readonly RedisNode[] = [];
  #refreshing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerDue = 0;
  #stopped = false;

  constructor(
    private readonly context: NodeContext,
    private readonly seeds: readonly RedisAddress[],
    private readonly options: RedisOptions,
    private readonly hooks: Hooks,
  ) {}

  get usable(): boolean {
    return this.#masters.some((node) => node.usable);
  }

  get state(): RedisState {
    if (!this.usable) return 'down';
    return this.#covered && this.#masters.every((node) => node.usable) ? 'up' : 'degraded';
  }

  async start(): Promise<void> {
    const seeds = this.#reach(this.seeds);
    await Promise.race(seeds);
    await this.#refresh();
    if (this.#masters.length === 0) {
      await Promise.all(seeds);
      await this.#refresh();
    }
    await Promise.all(this.#masters.map((node) => node.start()));
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const node of this.#nodes.values()) node.stop();
  }

  async call(key: string | undefined, send: Send): Promise<unknown> {
    const started = performance.now();
    let node = key === undefined ? this.#masters.find(({ usable }) => usable) : this.#slots[slotOf(key)];
    let asking = false;
    for (let redirections = 0; node !== undefined; redirections += 1) {
      try {
        return await node.call(send, asking);
      } catch (error) {
        if (!(error instanceof RedirectedError)) throw error;
        if (redirections === MAX_REDIRECTIONS || performance.now() - started > REDIRECT_WITHIN_MS) break;
        [node, asking] = [this.#follow(error, node), error.asking];
      }
    }
    this.#refreshIn(REFRESH_MIN_MS);
    throw new RedisUnavailableError();
  }

  /** The node that a redirection leads to; its slot is that node's from now on, unless this was for one call only. */
  #follow({ address, slot, asking }: RedirectedError, from: RedisNode): RedisNode {
    const node = this.#nodeAt(resolveAddress(address, from.name));
    this.#wantedAt.set(node, this.context.now());
    if (!asking) {
      this.#slots[slot] = node;
      this.#refreshIn(REFRESH_MIN_MS);
    }
    return node;
  }

  #reach(addresses: readonly RedisAddress[]): Promise<void>[] {
    return addresses.map((address) => this.#nodeAt(address).start());
  }

  #nodeAt(address: RedisAddress): RedisNode {
    const name = nameOf(address);
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const node: RedisNode = new RedisNode(this.context, {
      name,
      client: new Redis({ ...this.options, ...address }),
      probe: (client) => this.hooks.probe(client, this.#probeKey(node)),
      onOpened: () => this.#suspect(),
      onClosed: () => this.hooks.onClosed?.(),
    });
    this.#nodes.set(name, node);
    void node.start();
    return node;
  }

  /** A key that the node has; any, for a node without slots. */
  #probeKey(node: RedisNode): string {
    for (let index = 0; index < PROBE_KEYS_TRIED; index += 1) {
      const key = redisKey.probe(String(index));
      if (this.#slots[slotOf(key)] === node) return key;
    }
    return redisKey.probe('0');
  }

  /** What silenced one node may have silenced them all; and another one may have its slots soon. */
  #suspect(): void {
    for (const node of this.#nodes.values()) void node.check();
    this.#refreshIn(REFRESH_MIN_MS);
  }

  #refreshIn(milliseconds: number): void {
    const due = this.context.now() + milliseconds;
    if (this.#stopped || (this.#timer !== null && this.#timerDue <= due)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerDue = due;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#refresh();
    }, milliseconds).unref();
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#ask().finally(() => {
      this.#refreshing = null;
      this.#refreshIn((this.state === 'up' ? REFRESH_MS : REFRESH_TROUBLED_MS) * (0.75 + Math.random() / 2));
    });
    return this.#refreshing;
  }

  /** Asks one node after the other who has which slots, those that answer first; then those it was configured with. */
  async #ask(): Promise<void> {
    const nodes = [...this.#nodes.values()].sort(() => Math.random() - 0.5);
    nodes.sort((a, b) => Number(b.usable) - Number(a.usable));
    for (const node of nodes.slice(0, NODES_ASKED)) {
      const reply = await node.ask((client) => client.cluster('SLOTS')).catch(() => null);
      const ranges = readSlots(reply, node.name);
      if (this.#stopped) return;
      if (ranges.length > 0) {
        this.#apply(ranges);
        return;
      }
    }
    this.#reach(this.seeds);
  }

  #apply(ranges: readonly SlotRange[]): void {
    const masters = new Set<RedisNode>();
    let covered = 0;
    this.#slots.fill(undefined);
    for (const { first, last, master } of ranges) {
      const node = this.#nodeAt(master);
      masters.add(node);
      this.#slots.fill(node, first, last + 1);
      covered += last - first + 1;
    }
    this.#masters = [...masters];
    this.#covered = covered === SLOTS;
    this.#forgetOthers(masters);
  }

  #forgetOthers(masters: ReadonlySet<RedisNode>): void {
    const keptSince = this.context.now() - KEEP_UNSLOTTED_MS;
    for (const [name, node] of this.#nodes) {
      if (masters.has(node) || (this.#wantedAt.get(node) ?? Number.NEGATIVE_INFINITY) > keptSince) continue;
      node.stop();
      this.#nodes.delete(name);
      this.#wantedAt.delete(node);
    }
  }
}
