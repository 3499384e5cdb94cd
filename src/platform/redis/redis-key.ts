/**
 * Names of keys in Redis. Everything about one client or caller carries the same `{hash tag}`, so that one script can
 * touch all of it on a Redis Cluster.
 */
export const redisKey = {
  /** The cached credential of a client. */
  credential: (clientId: string) => `cn:{${clientId}}:credential`,
  /** The lowest client version that may still be cached: the fence a revocation puts up. */
  fence: (clientId: string) => `cn:{${clientId}}:fence`,
  /** A token bucket; `subject` is a client or user id, or an address. */
  bucket: (subject: string, rateClass: string) => `cn:{${subject}}:bucket:${rateClass}`,
} as const;
