// Three replicas behind a balancer against one behind the same.
import { goal } from './floors.mjs';
import { CORES } from './machine.mjs';
import { compare, warmUp } from './rounds.mjs';
import { whoami } from './subjects.mjs';
import { comparison, digits } from './table.mjs';

const REPLICAS = 3;
/** One for each replica, one for the balancer, one for the load and the stores. */
const CORES_TO_SCALE = REPLICAS + 2;

/**
 * On a machine with a core for each replica, how much more three do than one, per core. On a smaller one they share the
 * server's core, and what can be said is what a request costs: that the replicas' own traffic, and smaller batches to
 * Redis and PostgreSQL, cost little.
 */
export async function replicas(stack, plan) {
  const spread = CORES.length >= CORES_TO_SCALE;
  const all = [];
  for (let number = 1; number <= REPLICAS; number++)
    all.push(await stack.replica(number, spread ? CORES[number] : undefined));
  // Each by itself: behind the balancer the three would take three times as long, and the first is warm before.
  for (const each of all) await warmUp(whoami(each, stack.client.key), plan.warmSeconds, stack.directory);
  const balancerCore = spread ? CORES[REPLICAS + 1] : undefined;
  const one = await stack.balanced(all.slice(0, 1), balancerCore);
  const three = await stack.balanced(all, balancerCore);
  const connections = spread ? 64 * REPLICAS : 64;
  const base = { ...whoami(one, stack.client.key), name: 'whoami, one replica behind a balancer', connections };
  const subject = { ...whoami(three, stack.client.key), name: `whoami, ${REPLICAS} replicas behind it`, connections };
  const result = await compare(base, [subject], { ...plan, directory: stack.directory });
  console.log(comparison(result));
  const { ratio, cpuRatio } = result.rows[1];
  if (spread) return [goal('three replicas: ≥ 0.85 per core', ratio / REPLICAS, (share) => share >= 0.85)];
  console.log(
    `\n${CORES.length} cores: the replicas share one, so only "by CPU" says something (${digits(cpuRatio)}).`,
  );
  return [goal('three replicas: CPU of a request ≥ 0.85 as good as with one', cpuRatio, (share) => share >= 0.85)];
}
