/** A Lua script known to the client: sent whole once, by digest afterwards. */
export interface RedisScript {
  readonly name: string;
  /** How many keys the script takes, not counting a fence. */
  readonly keys: number;
  readonly lua: string;
}

/**
 * The script behind a fence: it runs only while the value at the first key begins with the first argument, and the same
 * call slides that key's expiry to the second (milliseconds). Anything else at the key, a wrong type included, is a
 * fence that does not hold. The script sees its own keys and arguments only, and must not return nil.
 */
export function fencedLua(lua: string): string {
  return `
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return nil end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local KEYS, ARGV = {unpack(KEYS, 2)}, {unpack(ARGV, 3)}
${lua}`;
}
