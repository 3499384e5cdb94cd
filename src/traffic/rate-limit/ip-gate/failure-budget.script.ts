import type { RedisScript } from '../../../platform/redis/redis-script.js';

/** Milliseconds after which an attempt that nobody decided, because its replica died, is taken for decided. */
const UNDECIDED_MS = 5_000;

/**
 * Both scripts keep a bucket as the microsecond, on Redis's clock, at which it is full again; no key is a full bucket. A
 * value that is not that is a full bucket, and one that lies further ahead than a window an empty one, written back as
 * such: who can write to Redis could as well delete it, and nobody is to be locked out by it, nor by a clock set back.
 * The second key counts the attempts that are neither right nor wrong yet.
 */
const READ_LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local unit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local function read(key, otherwise)
  local value = redis.pcall('GET', key)
  if type(value) == 'string' and #value <= 16 and string.match(value, '^%d+$') then return tonumber(value) end
  return otherwise
end
local function store(at)
  redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', string.format('%.0f', math.floor((at - now) / 1000) + 1))
end
local full, undecided = read(KEYS[1], now), read(KEYS[2], 0)
if full > now + window then store(now + window) end
full = math.min(math.max(full, now), now + window)
`;

/** Takes one attempt, if there is one. ARGV: unit, window (µs). Returns 1 or 0, the µs until full, and the undecided. */
export const TAKE_ATTEMPT: RedisScript = {
  name: 'takeAttempt',
  keys: 2,
  lua: `${READ_LUA}
if full + unit > now + window then return {0, full - now, undecided} end
store(full + unit)
redis.call('SET', KEYS[2], undecided + 1, 'PX', ${UNDECIDED_MS})
return {1, full + unit - now, undecided + 1}
`,
};

/** Decides one attempt. ARGV: unit, window (µs), 1 to give it back. Returns the µs until the bucket is full. */
export const DECIDE_ATTEMPT: RedisScript = {
  name: 'decideAttempt',
  keys: 2,
  lua: `${READ_LUA}
if undecided > 1 then redis.call('SET', KEYS[2], undecided - 1, 'KEEPTTL') else redis.call('DEL', KEYS[2]) end
if ARGV[3] == '1' then
  full = math.max(full - unit, now)
  if full > now then store(full) else redis.call('DEL', KEYS[1]) end
end
return full - now
`,
};
