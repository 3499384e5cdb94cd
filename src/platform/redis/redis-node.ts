import type { Redis } from 'ioredis';
import { log } from '../logging/log.js';
import { CallDeadlines, CallTimeoutError } from './call-deadlines.js';
import { GatheredWrites } from './gathered-writes.js';
import { RedisBreaker } from './redis-breaker.js';
import { isReadOnly, isReply, isWrongType, redirectionOf } from './redis-reply.js';
import type { RedisStats, Send } from './redis-topology.js';
import { RedisUnavailableError } from './redis-unavailable.error.js';

/** After this many unanswered probes the connection is thrown away: a healed network may never revive an old one. */
const PROBES_BEFORE_RECONNECT = 3;
/** How long `start` waits for a connection; the breaker stays open and the probes go on after that. */
const CONNECT_WAIT_MS = 1_000;
/** Time-outs this close together are one: a burst that was answered too late does not mean that Redis is away. */
const ONE_TIMEOUT_MS = 50;
/** Probes of many replicas are spread by this part of their delay, either way. */
const PROBE_SPREAD = 0.25;

/** What a node shares with the others of its process. */
export interface NodeContext {
  readonly now: () => number;
  readonly deadlines: CallDeadlines;
  readonly stats: RedisStats;
}

export interface NodeOptions {
  /** `host:port`, for the log. */
  readonly name: string;
  readonly client: Redis;
  /** A call that only a server that can do its work answers. */
  readonly probe: (client: Redis) => Promise<unknown>;
  readonly onOpened?: () => void;
  readonly onClosed?: () => void;
}

/**
 * One connection to one server, and its breaker. Every call is bounded by the deadline, and nothing is sent while the
 * breaker is open. Its number of connections is one, and it makes at most a few new ones a second.
 */
export class RedisNode {
  readonly client: Redis;
  readonly #breaker: RedisBreaker;
  readonly #writes = new GatheredWrites();
  #probeTimer: NodeJS.Timeout | null = null;
  #timedOutAt = Number.NEGATIVE_INFINITY;
  #started: Promise<void> | null = null;
  #stopped = false;

  constructor(
    private readonly context: NodeContext,
    private readonly options: NodeOptions,
  ) {
    this.client = options.client;
    this.#breaker = new RedisBreaker(context.now);
    this.client.on('error', () => this.#open());
    this.client.on('close', () => this.#open());
  }

  get name(): string {
    return this.options.name;
  }

  get usable(): boolean {
    return this.#breaker.closed;
  }

  /** Connects and waits for the first answer, as long as a connection and a call may take. Never rejects. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#probeTimer !== null) clearTimeout(this.#probeTimer);
    this.client.disconnect();
  }

  /** @throws RedisUnavailableError at once while the breaker is open; RedirectedError */
  async call(send: Send, asking = false): Promise<unknown> {
    if (!this.#breaker.closed) throw new RedisUnavailableError();
    this.#writes.gather(this.client.stream);
    try {
      const result = await this.context.deadlines.bound(send(this.client, asking));
      this.#breaker.answered();
      return result;
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** Sends a call that no request waits for, whatever the breaker says. Rejects with what ioredis rejects with. */
  ask(send: (client: Redis) => Promise<unknown>): Promise<unknown> {
    return this.context.deadlines.bound(send(this.client));
  }

  /** Looks whether it still answers, before requests find out; it takes as many time-outs as theirs to open the breaker. */
  async check(): Promise<void> {
    while (this.usable) {
      try {
        await this.ask(this.options.probe);
        return;
      } catch (error) {
        if (isThere(error)) return;
        if (this.#breaker.timedOut()) this.#opened();
      }
    }
  }

  /** Throws the connection away and makes another one, of which the connector says where it leads. */
  reconnect(): void {
    const { status } = this.client;
    if (status === 'ready' || status === 'connect') this.client.disconnect(true);
  }

  async #start(): Promise<void> {
    await new CallDeadlines(CONNECT_WAIT_MS).bound(this.client.connect()).catch(() => undefined);
    await this.#probe();
  }

  #failed(error: unknown): null {
    if (isReply(error)) {
      this.#breaker.answered();
      const redirection = redirectionOf(error);
      if (redirection !== null) throw redirection;
      this.context.stats.failures += 1;
      if (isWrongType(error)) return null;
    } else {
      this.context.stats.timeouts += 1;
      if (isReadOnly(error)) {
        if (this.#open()) this.reconnect();
      } else if (!this.#isSameTimeout(error) && this.#breaker.timedOut()) this.#opened();
    }
    throw new RedisUnavailableError();
  }

  #isSameTimeout(error: unknown): boolean {
    if (!(error instanceof CallTimeoutError)) return false;
    const now = performance.now();
    const same = now - this.#timedOutAt < ONE_TIMEOUT_MS;
    if (!same) this.#timedOutAt = now;
    return same;
  }

  #open(): boolean {
    const opens = this.#breaker.open();
    if (opens) this.#opened();
    return opens;
  }

  #opened(): void {
    this.context.stats.opened += 1;
    if (!this.#stopped) log('warn', 'Redis is away: going on without it', { context: 'redis', host: this.name });
    this.options.onOpened?.();
    this.#scheduleProbe();
  }

  #scheduleProbe(): void {
    if (this.#stopped || this.#probeTimer !== null) return;
    const spread = 1 - PROBE_SPREAD + Math.random() * 2 * PROBE_SPREAD;
    this.#probeTimer = setTimeout(() => {
      this.#probeTimer = null;
      void this.#probe();
    }, this.#breaker.probeDelayMs() * spread);
    this.#probeTimer.unref();
  }

  async #probe(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.ask(this.options.probe);
    } catch (error) {
      if (!isThere(error)) {
        this.#probeFailed();
        return;
      }
    }
    if (this.#stopped) return;
    const returned = !this.#breaker.closed;
    this.#breaker.probeAnswered();
    if (!returned) return;
    log('info', 'Redis answers', { context: 'redis', host: this.name });
    this.options.onClosed?.();
  }

  #probeFailed(): void {
    this.#breaker.probeFailed();
    if (this.client.status === 'end' && !this.#stopped) this.client.connect().catch(() => undefined);
    else if (this.#breaker.failedProbes % PROBES_BEFORE_RECONNECT === 0) this.reconnect();
    this.#scheduleProbe();
  }
}

/** A node of a Cluster that has no slot, yet or any more, does not do what a probe asks, and is there all the same. */
function isThere(error: unknown): boolean {
  return isReply(error) && redirectionOf(error) !== null;
}
