import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Command, type Redis } from 'ioredis';
import type { CredentialFence } from '../../kernel/auth-state.js';
import { Clock } from '../../kernel/clock.js';
import type { RedisMode, RedisTarget } from '../config/redis-target.js';
import { Settings } from '../config/settings.js';
import { sendAsking } from './asking.js';
import { CallDeadlines } from './call-deadlines.js';
import { ClusterTopology } from './cluster-topology.js';
import { redisTargetOf, sentinelOptions, serverOptions } from './connection-options.js';
import { OneMaster } from './one-master.js';
import { PreparedScript } from './prepared-script.js';
import { redisKey } from './redis-key.js';
import type { NodeContext } from './redis-node.js';
import { fencedLua, type RedisScript } from './redis-script.js';
import type { RedisState, RedisStats, RedisTopology } from './redis-topology.js';
import { RedisUnavailableError } from './redis-unavailable.error.js';
import { Sentinels } from './sentinels.js';

export { RedisUnavailableError } from './redis-unavailable.error.js';

/** Milliseconds a request waits for Redis at most. */
const COMMAND_TIMEOUT_MS = 200;
/** Milliseconds that the start waits for Redis at most. */
const START_WAIT_MS = 1_200;
/** Writes, as every decision does: a server that only reads, or has no memory left, is of no use. */
const PROBE = new PreparedScript("redis.call('SET', KEYS[1], '1') redis.call('DEL', KEYS[1]) return 1", 1);
const SINGLE_PROBE_KEY = redisKey.probe('0');

/**
 * The one door to Redis of the process: a single server, the master that Sentinels name, or the masters of a Cluster.
 * Every call is bounded: 200 ms, and nothing at all while the breaker of its server is open. In a Cluster every server
 * has a breaker of its own. It never throws at start: a Redis that is not there yet is the degraded mode, not a failure.
 */
@Injectable()
export class RedisService implements OnModuleInit, OnApplicationShutdown {
  readonly configured: boolean;
  readonly mode: RedisMode | 'off';
  /** Counted since start: breaker openings and calls that were not answered or refused. */
  readonly stats: RedisStats = { opened: 0, timeouts: 0, failures: 0 };

  readonly #topology: RedisTopology | null;
  readonly #scripts = new Map<string, PreparedScript>();
  readonly #fenced = new Map<string, PreparedScript>();
  readonly #recovered: (() => void)[] = [];

  constructor(settings: Settings, clock: Clock) {
    const target = redisTargetOf(settings);
    this.configured = target !== null;
    this.mode = target?.mode ?? 'off';
    const context = { now: () => clock.now(), deadlines: new CallDeadlines(COMMAND_TIMEOUT_MS), stats: this.stats };
    this.#topology = target === null ? null : this.#topologyOf(target, settings, context);
  }

  /** Connects and waits for the first answer, a second and a fifth at most. */
  async onModuleInit(): Promise<void> {
    if (this.#topology === null) return;
    await new CallDeadlines(START_WAIT_MS).bound(this.#topology.start()).catch(() => undefined);
  }

  /** True while Redis is configured and answers, a Cluster at least in part. Cheap enough for every request. */
  get usable(): boolean {
    return this.#topology?.usable ?? false;
  }

  /** How it is: `degraded` while a part of a Cluster is away. */
  get state(): RedisState | 'off' {
    return this.#topology?.state ?? 'off';
  }

  /** Calls `listener` each time Redis, or a server of a Cluster, answers again after it was away. */
  onRecovered(listener: () => void): void {
    this.#recovered.push(listener);
  }

  /** Makes a script known. Call once per name, when the module starts. */
  defineScript(script: RedisScript): RedisScript {
    this.#scripts.set(script.name, new PreparedScript(script.lua, script.keys));
    this.#fenced.set(script.name, new PreparedScript(fencedLua(script.lua), script.keys + 1));
    return script;
  }

  /**
   * Runs a script. All its keys must have one hash tag.
   *
   * @throws RedisUnavailableError at once while the breaker is open, within 200 ms otherwise.
   */
  run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#callScript(this.#scripts, script, keys[0], [...keys, ...args]);
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
    const words = [fence.key, ...keys, fence.stamp, fence.ttlMs, ...args];
    const result = await this.#callScript(this.#fenced, script, fence.key, words);
    return result === null ? { held: false } : { held: true, result };
  }

  /** The text at a key, or null; a value of another type counts as absent. @throws RedisUnavailableError */
  async get(key: string): Promise<string | null> {
    if (this.#topology === null) throw new RedisUnavailableError();
    const value = await this.#topology.call(key, (client, asking) =>
      asking ? sendAsking(client, new Command('get', [key], { replyEncoding: 'utf8' })) : client.get(key),
    );
    return typeof value === 'string' ? value : null;
  }

  async onApplicationShutdown(): Promise<void> {
    this.#topology?.stop();
  }

  #callScript(
    scripts: ReadonlyMap<string, PreparedScript>,
    { name }: RedisScript,
    key: string | undefined,
    words: readonly (string | number)[],
  ): Promise<unknown> {
    if (this.#topology === null) return Promise.reject(new RedisUnavailableError());
    const script = scripts.get(name) as PreparedScript;
    return this.#topology.call(key, (client, asking) =>
      asking ? script.callAsking(client, words) : script.call(client, words),
    );
  }

  #topologyOf(target: RedisTarget, settings: Settings, context: NodeContext): RedisTopology {
    const options = serverOptions(settings, target);
    const onClosed = () => {
      for (const listener of this.#recovered) listener();
    };
    const probe = (client: Redis, key = SINGLE_PROBE_KEY) => PROBE.call(client, [key]);
    const hooks = { onClosed, probe: (client: Redis) => probe(client) };
    const { mode, addresses } = target;
    if (mode === 'cluster') return new ClusterTopology(context, addresses, options, { onClosed, probe });
    if (mode === 'single')
      return OneMaster.single(context, addresses[0] as RedisTarget['addresses'][0], options, hooks);
    const apart = { ...context, stats: { opened: 0, timeouts: 0, failures: 0 } };
    const sentinels = new Sentinels(apart, addresses, sentinelOptions(settings, target), target.masterName);
    return OneMaster.behindSentinels(context, sentinels, options, hooks);
  }
}
