import type { RedisScript } from '../../../platform/redis/redis-script.js';

/**
 * Counts failed attempts of an address, and the client ids it tried, each within a window that begins with the
 * first of them. ARGV: attempts at which it is enough (0: never) and their window (ms), the same for ids, attempts now,
 * ids now. Returns 0; or, and
 * then all is forgotten, so that one caller alone is told: 1 for enough attempts, 2 for enough ids.
 */
export const COUNT_OFFENCES: RedisScript = {
  name: 'countOffences',
  keys: 2,
  lua: `
local enough, enoughIds = tonumber(ARGV[1]), tonumber(ARGV[3])
local count, ids = 0, 0
if enough > 0 then
  count = redis.pcall('INCRBY', KEYS[1], ARGV[5])
  if type(count) ~= 'number' then
    redis.call('SET', KEYS[1], ARGV[5])
    count = tonumber(ARGV[5])
  end
  if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
if enoughIds > 0 then
  if redis.call('TYPE', KEYS[2]).ok ~= 'set' then redis.call('DEL', KEYS[2]) end
  for i = 6, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
  if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
  ids = redis.call('SCARD', KEYS[2])
end
local verdict = 0
if enough > 0 and count >= enough then verdict = 1 end
if enoughIds > 0 and ids >= enoughIds then verdict = 2 end
if verdict > 0 then redis.call('DEL', KEYS[1], KEYS[2]) end
return verdict
`,
};
