import type { RedisScript } from '../../platform/redis/redis-script.js';

/** How long a lease holds without being renewed: a process that died is forgotten within so many milliseconds. */
export const LEASE_MS = 9_000;

/** Leases renewed by one call at most. */
export const RENEWED_AT_ONCE = 500;

/** A lease further ahead than any can be, by a clock since set back, would outlive its process: it ends with the others. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = now + ${LEASE_MS}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', ends), '+inf')) do
  redis.call('ZADD', KEYS[1], ends, lease)
end`;

/**
 * Takes a lease unless the subject has as many as it may. ARGV: the lease, how many there may be, and one that the same
 * process holds already, or nothing. Returns 1 or 0, and how many there are now; 2 when that other one is not there, and
 * then nothing was done: Redis has lost what it had.
 */
export const TAKE_LEASE: RedisScript = {
  name: 'takeLease',
  keys: 1,
  lua: `${NOW}
local held = redis.call('ZCARD', KEYS[1])
if ARGV[3] ~= '' and not redis.call('ZSCORE', KEYS[1], ARGV[3]) then return {2, held} end
if held >= tonumber(ARGV[2]) then return {0, held} end
redis.call('ZADD', KEYS[1], ends, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${LEASE_MS})
return {1, held + 1}
`,
};

/** Renews leases, and puts back those that Redis has lost: their streams are under way all the same. ARGV: the leases. */
export const RENEW_LEASES: RedisScript = {
  name: 'renewLeases',
  keys: 1,
  lua: `${NOW}
for i = 1, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ${LEASE_MS})
return 1
`,
};

/** Gives a lease back. ARGV: the lease. */
export const RELEASE_LEASE: RedisScript = {
  name: 'releaseLease',
  keys: 1,
  lua: `return redis.call('ZREM', KEYS[1], ARGV[1])
`,
};

/** How many leases hold now; changes nothing. */
export const COUNT_LEASES: RedisScript = {
  name: 'countLeases',
  keys: 1,
  lua: `
local time = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), '+inf')
`,
};
