// One client against many that all call: what their number costs in throughput and in memory.
import { Agent, request } from 'node:http';
import { insertCallers } from './fill.mjs';
import { compare } from './rounds.mjs';
import { whoami } from './subjects.mjs';
import { comparison, digits, table } from './table.mjs';

const WARM_CONNECTIONS = 32;
const MEGABYTE = 2 ** 20;

/** Each number of clients has a server of its own, so that its memory is that of these clients alone. */
export async function manyClients(stack, plan) {
  const one = await stack.coreNest({ redis: true });
  const base = { ...whoami(one, stack.client.key), name: 'whoami, one client' };
  const subjects = [];
  const memory = [['clients called', 'core-nest MB', 'more than idle', 'Redis bytes a client']];
  for (const count of plan.clientCounts) {
    const keys = await insertCallers(stack, count);
    const server = await stack.coreNest({ redis: true, name: `core-nest-${count}-clients` });
    const idle = server.residentBytes;
    const redisBefore = await stack.redisBytes();
    await callEach(server, keys);
    const perClient = ((await stack.redisBytes()) - redisBefore) / count;
    subjects.push({ ...whoami(server, keys[0]), keys, name: `… ${count.toLocaleString('en')} clients, at random` });
    memory.push([count.toLocaleString('en'), server, idle, digits(perClient)]);
  }
  const result = await compare(base, subjects, { ...plan, directory: stack.directory });
  console.log(comparison(result));
  // After the load: what stays, not what was just made.
  const rows = memory.map(([count, server, idle, bytes], index) =>
    index === 0
      ? memory[0]
      : [count, digits(server.residentBytes / MEGABYTE), digits((server.residentBytes - idle) / MEGABYTE), bytes],
  );
  console.log(`\n${table(rows)}`);
  return [];
}

/** Calls once with each key, so that it is hashed and remembered. @throws Error when one is not let in. */
async function callEach(server, keys) {
  const agent = new Agent({ keepAlive: true, maxSockets: WARM_CONNECTIONS });
  const left = [...keys];
  const worker = async () => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      const status = await statusOf(whoami(server, key), agent);
      if (status !== 200) throw new Error(`A client of the bench was answered ${status}.`);
    }
  };
  await Promise.all(Array.from({ length: WARM_CONNECTIONS }, worker));
  agent.destroy();
}

function statusOf({ url, headers }, agent) {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
