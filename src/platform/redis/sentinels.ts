import { Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from '../config/redis-target.js';
import { nameOf } from './connection-options.js';
import { type NodeContext, RedisNode } from './redis-node.js';
import { RedisUnavailableError } from './redis-unavailable.error.js';

/** The Sentinels that watch over one master: one kept connection to each. */
export class Sentinels {
  readonly #nodes: readonly RedisNode[];

  constructor(
    context: NodeContext,
    addresses: readonly RedisAddress[],
    options: RedisOptions,
    private readonly masterName: string,
  ) {
    this.#nodes = addresses.map(
      (address) =>
        new RedisNode(context, {
          name: nameOf(address),
          client: new Redis({ ...options, ...address }),
          probe: (client) => client.ping(),
        }),
    );
  }

  /** Connects; resolves when each has answered or failed to. Never rejects. */
  async start(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.start()));
  }

  stop(): void {
    for (const node of this.#nodes) node.stop();
  }

  /**
   * Where the master is, as most of those Sentinels see it that answer at once. One that was cut off from the others may
   * still name the master of before.
   *
   * @throws RedisUnavailableError when none of them knows.
   */
  async master(): Promise<RedisAddress> {
    const answers = await Promise.all(this.#nodes.map((node) => this.#ask(node)));
    const votes = new Map<string, number>();
    let elected: RedisAddress | null = null;
    let most = 0;
    for (const answer of answers) {
      if (answer === null) continue;
      const count = (votes.get(nameOf(answer)) ?? 0) + 1;
      votes.set(nameOf(answer), count);
      if (count > most) [elected, most] = [answer, count];
    }
    if (elected === null) throw new RedisUnavailableError();
    return elected;
  }

  async #ask(node: RedisNode): Promise<RedisAddress | null> {
    try {
      const answer = await node.call((client) => client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.masterName));
      return Array.isArray(answer) ? { host: String(answer[0]), port: Number(answer[1]) } : null;
    } catch {
      return null;
    }
  }
}
