import type { RedisScript } from '../../../platform/redis/redis-script.js';

/**
 * Both scripts keep a bucket as the microsecond, on Redis's clock, at which it is full again; no key is a full bucket. A
 * value that is not that is a full bucket, and one that lies further ahead than a window an empty one: who can write to
 * Redis could as well delete it, and nobody is to be locked out by it, nor by a clock set back.
 */
const READ_LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local unit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local value = redis.pcall('GET', KEYS[1])
local full = now
if type(value) == 'string' and #value <= 16 and string.match(value, '^%d+$') then full = tonumber(value) end
full = math.min(math.max(full, now), now + window)
local function store(at)
  redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', string.format('%.0f', math.floor((at - now) / 1000) + 1))
end
`;

/** Takes one attempt, if there is one. ARGV: unit, window (µs). Returns 1 or 0, and the µs until the bucket is full. */
export const TAKE_ATTEMPT: RedisScript = {
  name: 'takeAttempt',
  keys: 1,
  lua: `${READ_LUA}
if full + unit > now + window then return {0, full - now} end
store(full + unit)
return {1, full + unit - now}
`,
};

/** Gives one attempt back. ARGV as above. Returns the µs until the bucket is full. */
export const GIVE_ATTEMPT_BACK: RedisScript = {
  name: 'giveAttemptBack',
  keys: 1,
  lua: `${READ_LUA}
full = math.max(full - unit, now)
if full > now then store(full) else redis.call('DEL', KEYS[1]) end
return full - now
`,
};
