// Requests at a fixed rate, whether or not earlier ones were answered, as callers send them.
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const TICK_MS = 1;

/**
 * Sends `perSecond` requests a second for some seconds, and waits for their answers.
 *
 * @param next makes each request: `{ url, method, headers, body }`.
 * @returns latencies in ms, sorted; statuses counted.
 */
export async function paced(next, { perSecond, seconds }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 256, noDelay: true });
  const latencies = [];
  const statuses = {};
  const answers = [];
  const started = performance.now();
  for (let sent = 0; sent < perSecond * seconds; ) {
    const due = Math.min(((performance.now() - started) / 1000) * perSecond, perSecond * seconds);
    for (; sent < due; sent++) answers.push(send(next(sent), agent, latencies, statuses));
    await pause(TICK_MS);
  }
  await Promise.all(answers);
  agent.destroy();
  return { latencies: latencies.toSorted((left, right) => left - right), statuses };
}

/** The value below which `share` of a sorted list is. */
export function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function send({ url, method = 'GET', headers = {}, body }, agent, latencies, statuses) {
  return new Promise((resolve) => {
    const started = performance.now();
    const done = (status) => {
      latencies.push(performance.now() - started);
      statuses[status] = (statuses[status] ?? 0) + 1;
      resolve();
    };
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const outgoing = request(url, { agent, method, headers: { ...headers, ...length } }, (response) => {
      response.resume().once('end', () => done(response.statusCode));
    });
    outgoing.once('error', ({ code }) => done(code));
    outgoing.end(body);
  });
}
