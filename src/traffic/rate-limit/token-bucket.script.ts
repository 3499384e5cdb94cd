import type { RedisScript } from '../../platform/redis/redis-script.js';
import type { BucketPolicy, Debt, Taken } from './bucket-policy.js';

/** Buckets that one request can be counted in at most: three classes are counted per client, with four windows each. */
export const MAX_BUCKETS = 12;

/**
 * Takes from every bucket or from none, in one step, on Redis's own clock. The arithmetic is `BucketPolicy`'s.
 *
 * A key holds the microsecond at which its bucket is full again, `<micros>` or `<micros>+<quota-ths>`, and expires
 * then. A value that is not that, of whatever type, is a full bucket and is overwritten by the next unit taken: who can
 * write to Redis could as well delete it, and nobody is to be locked out by it. A time further ahead than a window is
 * an empty bucket, and is written back as one at once: else a clock set back by a failover would lock its owner out
 * until it has caught up. But for that, nothing is written on a refusal.
 *
 * ARGV: quota, window, and what the cost adds (µs, quota-ths), for each key. Returns 1 or 0, then the debts after.
 */
const TAKE_LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local allowed, lacking = 1, 0
local before, after, kept = {0}, {1}, {}
for i = 1, #KEYS do
  local quota, window = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local shadow = quota < 0
  if shadow then quota = -quota end
  local value = redis.pcall('GET', KEYS[i])
  local debt, part = 0, 0
  if type(value) == 'string' and #value <= 26 then
    local micros, rest = string.match(value, '^(%d+)%+?(%d*)$')
    if micros then
      debt, part = micros - now, tonumber(rest) or 0
      if part >= quota then debt, part = debt + 1, 0 end
      if debt < 0 then debt, part = 0, 0 end
      if debt > window then
        redis.call('SET', KEYS[i], string.format('%.0f', now + window), 'PX', string.format('%.0f', window / 1000))
      end
      if debt >= window then debt, part = window, 0 end
    end
  end
  before[2 * i], before[2 * i + 1] = debt, part
  debt, part = debt + ARGV[4 * i - 1], part + ARGV[4 * i]
  if part >= quota then debt, part = debt + 1, part - quota end
  after[2 * i], after[2 * i + 1] = debt, part
  if debt > window or (debt == window and part > 0) then
    if shadow then
      after[2 * i], after[2 * i + 1] = before[2 * i], before[2 * i + 1]
      lacking, kept[i] = lacking + 2 ^ i, true
    else
      allowed = 0
    end
  end
end
if allowed == 0 then return before end
after[1] = 1 + lacking
for i = 1, #KEYS do
  if not kept[i] then
    local value = string.format('%.0f', now + after[2 * i])
    if after[2 * i + 1] > 0 then value = value .. string.format('+%.0f', after[2 * i + 1]) end
    redis.call('SET', KEYS[i], value, 'PX', string.format('%.0f', math.floor(after[2 * i] / 1000) + 1))
  end
end
return after
`;

/**
 * Gives back what a request has taken that was refused afterwards: every bucket is then as if it had not come. ARGV and
 * what is returned as of `TAKE_LUA`.
 */
const GIVE_BACK_LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local after = {1}
for i = 1, #KEYS do
  local quota, window = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local value = redis.pcall('GET', KEYS[i])
  local debt, part = 0, 0
  if type(value) == 'string' and #value <= 26 then
    local micros, rest = string.match(value, '^(%d+)%+?(%d*)$')
    if micros then
      debt, part = micros - now, tonumber(rest) or 0
      if part >= quota then debt, part = debt + 1, 0 end
      if debt >= window then debt, part = window, 0 end
      debt, part = debt - ARGV[4 * i - 1], part - ARGV[4 * i]
      if part < 0 then debt, part = debt - 1, part + quota end
      if debt < 0 then
        debt, part = 0, 0
        redis.call('DEL', KEYS[i])
      else
        value = string.format('%.0f', now + debt)
        if part > 0 then value = value .. string.format('+%.0f', part) end
        redis.call('SET', KEYS[i], value, 'PX', string.format('%.0f', math.floor(debt / 1000) + 1))
      end
    end
  end
  after[2 * i], after[2 * i + 1] = debt, part
end
return after
`;

/**
 * Reads buckets as `TAKE_LUA` does, and touches nothing: neither a value nor an expiry. ARGV: quota and window for each
 * key. Returns a number without meaning, then the debts.
 */
const PEEK_LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local debts = {1}
for i = 1, #KEYS do
  local quota, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local value = redis.pcall('GET', KEYS[i])
  local debt, part = 0, 0
  if type(value) == 'string' and #value <= 26 then
    local micros, rest = string.match(value, '^(%d+)%+?(%d*)$')
    if micros then
      debt, part = micros - now, tonumber(rest) or 0
      if part >= quota then debt, part = debt + 1, 0 end
      if debt < 0 then debt, part = 0, 0 end
      if debt >= window then debt, part = window, 0 end
    end
  end
  debts[2 * i], debts[2 * i + 1] = debt, part
end
return debts
`;

/** One script per number of buckets, because a script's number of keys is fixed where it is defined. */
export function takeScripts(): RedisScript[] {
  return perNumberOfKeys('takeBuckets', TAKE_LUA);
}

/** As `takeScripts`, of the script that gives back; not for buckets in shadow, which may not have been taken from. */
export function giveBackScripts(): RedisScript[] {
  return perNumberOfKeys('giveBackBuckets', GIVE_BACK_LUA);
}

/** As `takeScripts`, of the script that only looks. */
export function peekScripts(): RedisScript[] {
  return perNumberOfKeys('peekBuckets', PEEK_LUA);
}

function perNumberOfKeys(name: string, lua: string): RedisScript[] {
  return Array.from({ length: MAX_BUCKETS }, (_, index) => ({ name: `${name}${index + 1}`, keys: index + 1, lua }));
}

/** The arguments for so many requests at once, one group per bucket, in the order of the script's keys. */
export function takeArguments(policies: readonly BucketPolicy[], requests: number): number[] {
  return policies.flatMap((policy) => {
    const debt = policy.debtOf(requests * policy.cost);
    return [policy.shadow ? -policy.quota : policy.quota, policy.windowMicros, debt.micros, debt.part];
  });
}

/** The arguments of the script that only looks. */
export function peekArguments(policies: readonly BucketPolicy[]): number[] {
  return policies.flatMap((policy) => [policy.quota, policy.windowMicros]);
}

/** Reads the answer of any of the scripts. @throws TypeError when it is not one. */
export function readTaken(answer: unknown, buckets: number): Taken {
  if (!Array.isArray(answer) || answer.length !== 2 * buckets + 1 || !answer.every(Number.isSafeInteger)) {
    throw new TypeError('Not an answer of the token bucket script.');
  }
  const debts: Debt[] = [];
  for (let index = 1; index < answer.length; index += 2) {
    debts.push({ micros: answer[index], part: answer[index + 1] });
  }
  const [flags] = answer as [number];
  return { allowed: (flags & 1) === 1, debts, lacking: flags >> 1 };
}
