import type { Redis } from 'ioredis';
import { RedisCluster } from './redis-cluster.js';
import { SentinelSet } from './redis-sentinel.js';
import { type RedisDeployment, redisShape } from './redis-shape.js';
import { startSingle } from './redis-single.js';

/** Clusters that take two seconds to start and can be used again, when they were left as they were found. */
const spare: RedisDeployment[] = [];
let drained = false;

if (typeof afterAll === 'function' && redisShape() === 'cluster') {
  afterAll(async () => {
    drained = true;
    await Promise.all(spare.splice(0).map((cluster) => cluster.stop()));
  });
}

/**
 * A real Redis on free ports of 127.0.0.1, kept in memory only, that a test may kill, freeze and bring back as a whole:
 * one redis-server, or the shape that the project of jest asks for.
 */
export class RedisServer {
  #whole = true;
  #paused = false;

  private constructor(private readonly deployment: RedisDeployment) {}

  static async start(): Promise<RedisServer> {
    return new RedisServer(await (spare.pop() ?? launch()));
  }

  get url(): string {
    return this.deployment.url;
  }

  /** Of the server, or of the first of them. */
  get port(): number {
    return Number(this.deployment.addresses[0]?.split(':')[1]);
  }

  /** A connection for looking and meddling, past the code under test. It comes back by itself. */
  connect(): Redis {
    return this.deployment.connect();
  }

  /** As a crash would: connections break, data is gone, the port refuses. */
  async kill(): Promise<void> {
    this.#whole = false;
    await this.deployment.kill();
  }

  /** Freezes it: connections stand, nothing answers. */
  pause(): void {
    this.#paused = true;
    this.deployment.pause();
  }

  resume(): void {
    this.#paused = false;
    this.deployment.resume();
  }

  /** Brings a killed server back, empty, on the same port. */
  async restart(): Promise<void> {
    await this.deployment.restart();
    this.#whole = true;
  }

  async stop(): Promise<void> {
    if (redisShape() !== 'cluster' || drained || !this.#whole || this.#paused) return this.deployment.stop();
    const client = this.deployment.connect();
    await Promise.all([client.flushall(), client.script('FLUSH'), client.config('SET', 'maxmemory', '0')]);
    client.disconnect();
    spare.push(this.deployment);
  }
}

function launch(): Promise<RedisDeployment> {
  if (redisShape() === 'cluster') return RedisCluster.start();
  return redisShape() === 'sentinel' ? SentinelSet.start() : startSingle();
}
