import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import type { CredentialFence } from '../../kernel/auth-state.js';
import { Clock } from '../../kernel/clock.js';
import { Settings } from '../config/settings.js';
import { CallDeadlines } from './call-deadlines.js';
import { GatheredWrites } from './gathered-writes.js';
import { PreparedScript } from './prepared-script.js';
import { RedisBreaker } from './redis-breaker.js';
import { fencedLua, type RedisScript } from './redis-script.js';

/** Milliseconds a request waits for Redis at most. */
const COMMAND_TIMEOUT_MS = 200;
const CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_MAX_MS = 1_000;
/** After this many unanswered probes the connection is thrown away: a healed network may never revive an old one. */
const PROBES_BEFORE_RECONNECT = 3;
/** How long a broken connection may take to close politely. */
const DISCONNECT_TIMEOUT_MS = 100;
const FENCED_SUFFIX = 'Fenced';

/** Redis is away, too slow or not configured. The caller does what its docstring says it does without Redis. */
export class RedisUnavailableError extends Error {
  constructor() {
    super('Redis is not available.');
    this.name = 'RedisUnavailableError';
  }
}

/**
 * The one Redis client of the process. Every call is bounded: 200 ms at most, and nothing at all while the breaker is
 * open. It never throws at start: a Redis that is not there yet is the degraded mode, not a failure.
 */
@Injectable()
export class RedisService implements OnModuleInit, OnApplicationShutdown {
  readonly configured: boolean;
  /** Counted since start: breaker openings and calls that were not answered. */
  readonly stats = { opened: 0, timeouts: 0, failures: 0 };

  readonly #deadlines = new CallDeadlines(COMMAND_TIMEOUT_MS);
  readonly #writes = new GatheredWrites();
  readonly #breaker: RedisBreaker;
  readonly #client: Redis | null;
  readonly #scripts = new Map<string, PreparedScript>();
  readonly #recovered: (() => void)[] = [];
  #probeTimer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(settings: Settings, clock: Clock) {
    this.#breaker = new RedisBreaker(() => clock.now());
    this.configured = settings.REDIS_URL !== undefined;
    this.#client = settings.REDIS_URL === undefined ? null : createClient(settings.REDIS_URL);
    this.#client?.on('error', () => this.#open());
    this.#client?.on('close', () => this.#open());
  }

  /** Connects and waits for the first answer, a second and a fifth at most. */
  async onModuleInit(): Promise<void> {
    if (this.#client === null) return;
    await new CallDeadlines(CONNECT_TIMEOUT_MS).bound(this.#client.connect()).catch(() => undefined);
    await this.#probe();
  }

  /** True while Redis is configured and answers. Cheap enough for every request. */
  get usable(): boolean {
    return this.#breaker.closed;
  }

  /** Calls `listener` each time Redis answers again after it was away. */
  onRecovered(listener: () => void): void {
    this.#recovered.push(listener);
  }

  /** Makes a script known. Call once per name, when the module starts. */
  defineScript(script: RedisScript): RedisScript {
    this.#prepare(script.name, script.lua, script.keys);
    this.#prepare(`${script.name}${FENCED_SUFFIX}`, fencedLua(script.lua), script.keys + 1);
    return script;
  }

  /** Runs a script. @throws RedisUnavailableError at once while the breaker is open, within 200 ms otherwise. */
  run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#callScript(script.name, [...keys, ...args]);
  }

  /**
   * Runs a script only if the fence holds, in one call (see `fencedLua`). `held: false` means that nothing was done.
   *
   * @throws RedisUnavailableError as `run` does.
   */
  async runFenced(
    script: RedisScript,
    fence: CredentialFence,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<{ held: true; result: unknown } | { held: false }> {
    const result = await this.#callScript(`${script.name}${FENCED_SUFFIX}`, [
      fence.key,
      ...keys,
      fence.stamp,
      fence.ttlMs,
      ...args,
    ]);
    return result === null ? { held: false } : { held: true, result };
  }

  /** The text at a key, or null; a value of another type counts as absent. @throws RedisUnavailableError */
  async get(key: string): Promise<string | null> {
    const value = await this.#call((client) => client.get(key));
    return typeof value === 'string' ? value : null;
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stopped = true;
    if (this.#probeTimer !== null) clearTimeout(this.#probeTimer);
    this.#client?.disconnect();
  }

  #prepare(name: string, lua: string, keys: number): void {
    if (this.#client !== null) this.#scripts.set(name, new PreparedScript(this.#client, name, lua, keys));
  }

  #callScript(name: string, args: readonly (string | number)[]): Promise<unknown> {
    return this.#call(() => (this.#scripts.get(name) as PreparedScript).call(args));
  }

  async #call(send: (client: Redis) => Promise<unknown>): Promise<unknown> {
    if (this.#client === null || !this.#breaker.closed) throw new RedisUnavailableError();
    this.#writes.gather(this.#client.stream);
    try {
      const result = await this.#deadlines.bound(send(this.#client));
      this.#breaker.answered();
      return result;
    } catch (error) {
      if (isReply(error)) {
        this.#breaker.answered();
        this.stats.failures += 1;
        if (isWrongType(error)) return null;
      } else {
        this.stats.timeouts += 1;
        if (this.#breaker.timedOut()) this.#opened();
      }
      throw new RedisUnavailableError();
    }
  }

  #open(): void {
    if (this.#breaker.open()) this.#opened();
  }

  #opened(): void {
    this.stats.opened += 1;
    this.#scheduleProbe();
  }

  #scheduleProbe(): void {
    if (this.#stopped || this.#probeTimer !== null) return;
    this.#probeTimer = setTimeout(() => {
      this.#probeTimer = null;
      void this.#probe();
    }, this.#breaker.probeDelayMs());
    this.#probeTimer.unref();
  }

  async #probe(): Promise<void> {
    if (this.#client === null || this.#stopped) return;
    try {
      await this.#deadlines.bound(this.#client.ping());
    } catch {
      this.#breaker.probeFailed();
      const established = this.#client.status === 'ready' || this.#client.status === 'connect';
      if (established && this.#breaker.failedProbes % PROBES_BEFORE_RECONNECT === 0) this.#client.disconnect(true);
      this.#scheduleProbe();
      return;
    }
    const returned = !this.#breaker.closed;
    this.#breaker.probeAnswered();
    if (returned) for (const listener of this.#recovered) listener();
  }
}

function createClient(url: string): Redis {
  return new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), RECONNECT_MAX_MS) * (0.5 + Math.random() / 2),
    connectionName: 'core-nest',
  });
}

/** Redis answered, and the answer was an error: it is there, and the call is what was wrong. */
function isReply(error: unknown): error is Error {
  return (
    error instanceof Error &&
    error.name === 'ReplyError' &&
    !/^(LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|NOAUTH|OOM)/.test(error.message)
  );
}

function isWrongType(error: Error): boolean {
  return error.message.startsWith('WRONGTYPE');
}
