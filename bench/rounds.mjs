// Slices of load in turn, each between two of the base: what the machine does meanwhile hits both.
import { setTimeout as pause } from 'node:timers/promises';
import { load } from './load.mjs';

/** Two slices of the base that differ by more say that something else ran on the machine. */
const UNSTEADY = 1.25;
const REPEATS = 2;
/** Lets a server finish what the last slice left: queued rows, closed connections. */
const SETTLE_MS = 500;
const WARM_REQUESTS = 25_000;
const WARM_ATTEMPTS = 3;
/** Requests a second at which no number of them that could be waited for would warm anything. */
const TOO_SLOW_TO_WARM = 100;

/**
 * Compares subjects with a base.
 *
 * @param base, subjects `{ name, server, url, method, headers, body, connections }`
 * @returns one row for the base, then one for each subject: medians, and the ratio's range.
 */
export async function compare(base, subjects, { rounds, seconds, warmSeconds, directory }) {
  for (const each of [base, ...subjects]) await warmUp(each, warmSeconds, directory);
  const bases = [await slice(base, seconds, directory)];
  const samples = new Map(subjects.map((subject) => [subject, []]));
  let repeated = 0;
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      for (let attempt = 0; ; attempt++) {
        const own = await slice(subject, seconds, directory);
        const before = bases.at(-1);
        const after = await slice(base, seconds, directory);
        bases.push(after);
        if (attempt < REPEATS && isUnsteady(before, after)) {
          repeated++;
          continue;
        }
        const cpuRatio = (before.cpuMicros + after.cpuMicros) / (2 * own.cpuMicros);
        samples.get(subject).push({ ...own, ratio: (2 * own.rate) / (before.rate + after.rate), cpuRatio });
        break;
      }
    }
  }
  return {
    repeated,
    rows: [
      { name: base.name, ...middle(bases), ratio: 1, cpuRatio: 1 },
      ...subjects.map((subject) => {
        const own = samples.get(subject);
        const ratios = own.map(({ ratio }) => ratio);
        return {
          name: subject.name,
          ...middle(own),
          ratio: median(ratios),
          min: Math.min(...ratios),
          max: Math.max(...ratios),
        };
      }),
    ],
  };
}

export function median(numbers) {
  const sorted = numbers.toSorted((left, right) => left - right);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Loads a server until its code is compiled: the more there is of it, and the busier the machine, the longer that takes. */
export async function warmUp(subject, seconds, directory) {
  let answered = 0;
  for (let attempt = 0; attempt < WARM_ATTEMPTS && answered < WARM_REQUESTS; attempt++) {
    const { requests, rate } = await load(subject, { connections: subject.connections, seconds, directory });
    if (rate < TOO_SLOW_TO_WARM) return;
    answered += requests;
  }
}

async function slice(subject, seconds, directory) {
  await pause(SETTLE_MS);
  const { server, connections } = subject;
  const cpu = server.cpuSeconds;
  const started = performance.now();
  const result = await load(subject, { connections, seconds, directory });
  const used = server.cpuSeconds - cpu;
  return {
    ...result,
    cpuMicros: (used * 1e6) / result.requests,
    busy: used / ((performance.now() - started) / 1000),
  };
}

function isUnsteady(before, after) {
  return Math.max(before.rate, after.rate) / Math.min(before.rate, after.rate) > UNSTEADY;
}

function middle(slices) {
  const of = (key) => median(slices.map((each) => each[key]));
  return { cpuRatio: of('cpuRatio'), cpuMicros: of('cpuMicros'), busy: of('busy'), p50: of('p50'), p99: of('p99') };
}
