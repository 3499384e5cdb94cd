import type { Redis } from 'ioredis';

/** Sends one call on a connection. `asking`: to a node of a Cluster that is only taking the slot over. */
export type Send = (client: Redis, asking: boolean) => Promise<unknown>;

/** Counted since start: breaker openings, calls that were not answered, and calls that were refused. */
export interface RedisStats {
  opened: number;
  timeouts: number;
  failures: number;
}

/** `degraded`: part of a Cluster is away. */
export type RedisState = 'up' | 'degraded' | 'down';

/** Which server is asked for which key, and how that is found out. */
export interface RedisTopology {
  /** False while no call at all would be sent. Cheap enough for every request. */
  readonly usable: boolean;
  readonly state: RedisState;
  /** Connects; resolves once it is usable or has failed to be. Never rejects. */
  start(): Promise<void>;
  stop(): void;
  /** Sends a call to the master that holds the key; to any, without one. @throws RedisUnavailableError */
  call(key: string | undefined, send: Send): Promise<unknown>;
}
