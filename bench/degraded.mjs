// What a request costs while Redis is away, in each of the ways it can be.
import { setTimeout as pause } from 'node:timers/promises';
import { goal } from './floors.mjs';
import { load } from './load.mjs';
import { compare } from './rounds.mjs';
import { whoami } from './subjects.mjs';
import { comparison } from './table.mjs';

/** Longer than it takes to notice that Redis is gone. */
const NOTICE_MS = 2_000;

/** Two servers are warmed up with a Redis of their own each, and lose it: one is stopped in its tracks, one is killed. */
export async function degraded(stack, plan) {
  const healthy = await stack.coreNest({ redis: true });
  const base = { ...whoami(healthy, stack.client.key), name: 'whoami, warm key, Redis' };
  const subjects = [];
  for (const [name, signal] of [
    ['Redis does not answer (SIGSTOP)', 'SIGSTOP'],
    ['Redis is gone (SIGKILL)', 'SIGKILL'],
  ]) {
    const redis = await stack.startRedis();
    const server = await stack.coreNest({ redis, name: `core-nest-${signal.toLowerCase()}` });
    const subject = { ...whoami(server, stack.client.key), name: `… ${name}` };
    await load(subject, { seconds: plan.warmSeconds, directory: stack.directory });
    redis.signal(signal);
    subjects.push(subject);
  }
  await pause(NOTICE_MS);
  const result = await compare(base, subjects, { ...plan, directory: stack.directory });
  console.log(comparison(result));
  const slowest = Math.max(...result.rows.slice(1).map(({ p99 }) => p99 - result.rows[0].p99));
  return [goal('p99 added while Redis is away ≤ 60 ms', slowest, (ms) => ms <= 60, ' ms')];
}
