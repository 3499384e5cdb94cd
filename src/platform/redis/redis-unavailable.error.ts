/** Redis is away, too slow or not configured. The caller does what its docstring says it does without Redis. */
export class RedisUnavailableError extends Error {
  constructor() {
    super('Redis is not available.');
    this.name = 'RedisUnavailableError';
  }
}

/** A node of a Cluster answered that another one has the slot (`asking`: this once). Nothing was done. */
export class RedirectedError extends RedisUnavailableError {
  constructor(
    readonly slot: number,
    /** As the node wrote it; the host is empty where it means its own. */
    readonly address: string,
    readonly asking: boolean,
  ) {
    super();
  }
}
