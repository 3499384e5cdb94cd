/**
 * Names of keys in Redis. Everything about one client or caller carries the same `{hash tag}`, so that one script can
 * touch all of it on a Redis Cluster.
 */
export const redisKey = {
  /** The cached credential of a client. */
  credential: (clientId: string) => `cn:{${clientId}}:credential`,
  /** The lowest client version that may still be cached: the fence a revocation puts up. */
  fence: (clientId: string) => `cn:{${clientId}}:fence`,
  /** The version under which replicas may remember a user: what each of them compares its own with. */
  principal: (userId: string) => `cn:{${userId}}:principal`,
  /** A token bucket; `subject` is a client or user id, or an address. */
  bucket: (subject: string, name: string) => `cn:{${subject}}:bucket:${name}`,
  /** The leases of a subject's streams under way: a sorted set by the time each ends. */
  streams: (subject: string) => `cn:{${subject}}:streams`,
  /** What a probe writes and deletes in one step, to see that a server can do its work. */
  probe: (tag: string) => `cn:{${tag}}:probe`,
} as const;
