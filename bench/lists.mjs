// The lists at the size of a real installation: what a page takes.
import { fillApiLogs, fillClients, LOGGED_CLIENT } from './fill.mjs';
import { goal } from './floors.mjs';
import { paced, quantile } from './paced.mjs';
import { digits, table } from './table.mjs';

const PER_SECOND = 20;
const DAYS = 30;
const DAY_MS = 86_400_000;
const BOUND_MS = 50;

export async function lists(stack, plan) {
  const { clients, logs } = plan.listed;
  const server = await stack.coreNest({ redis: true });
  const filled = performance.now();
  await fillClients(stack, clients);
  await fillApiLogs(stack, logs, DAYS);
  const seconds = Math.round((performance.now() - filled) / 1000);
  const millions = (count) => `${digits(count / 1e6)} million`;
  console.log(
    `${millions(clients)} clients, ${millions(logs)} rows of log over ${DAYS} days, filled in ${seconds} s\n`,
  );
  const rows = [];
  for (const [name, path] of pages()) rows.push(await timesOf(server, name, path, stack, plan));
  console.log(table([['a page of 50', 'p50 ms', 'p95 ms'], ...rows.map((row) => row.map(cell))]));
  const slowest = Math.max(...rows.map(([, , p95]) => p95));
  return [goal(`a page of any list ≤ ${BOUND_MS} ms at p95`, slowest, (ms) => ms <= BOUND_MS, ' ms')];
}

function pages() {
  const since = (days) => new Date(Date.now() - days * DAY_MS).toISOString();
  const clients = '/api/v1/clients?limit=50';
  const logs = '/api/v1/api-logs?limit=50';
  return [
    ['clients', clients],
    ['clients, disabled', `${clients}&status=disabled`],
    ['clients, by name', `${clients}&sort=name`],
    ['logs', logs],
    ['logs of a client', `${logs}&client_id=${LOGGED_CLIENT}`],
    ['logs of a client, a rare status', `${logs}&client_id=${LOGGED_CLIENT}&status=503`],
    ['logs of a day three weeks ago', `${logs}&created_after=${since(21)}&created_before=${since(20)}`],
  ];
}

async function timesOf(server, name, path, stack, plan) {
  const page = { url: `${server.origin}${path}`, headers: { authorization: `Bearer ${stack.client.key}` } };
  await paced(() => page, { perSecond: PER_SECOND, seconds: 1 });
  const { latencies, statuses } = await paced(() => page, { perSecond: PER_SECOND, seconds: plan.pacedSeconds });
  const refused = Object.keys(statuses).filter((status) => status !== '200');
  if (refused.length > 0) throw new Error(`${name} was answered ${refused.join(', ')}.`);
  return [name, quantile(latencies, 0.5), quantile(latencies, 0.95)];
}

function cell(value) {
  return typeof value === 'number' ? digits(value) : value;
}
