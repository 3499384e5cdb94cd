// The load generator: wrk where it is on the PATH, else autocannon, which is JavaScript and loads its core far more.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Longer than any slice: a server that is slow is measured as slow, not taken for broken. */
const TIMEOUT_SECONDS = 30;

let underWay = null;

/** wrk says what it counted as one line of JSON; times in microseconds. */
const REPORT = `
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format('REPORT {"requests":%d,"micros":%d,"failed":%d,"refused":%d,"p50":%d,"p99":%d}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end`;

export const TOOL = spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error ? 'autocannon' : 'wrk';

/** Requests made before the first is sent, and then sent at random, each with a key of its own. */
const MANY_KEYS = `
local requests = {}
init = function()
  for key in io.lines(KEYS) do
    wrk.headers["authorization"] = "Bearer " .. key
    requests[#requests + 1] = wrk.format()
  end
end
request = function() return requests[math.random(#requests)] end`;

/**
 * Keeps `connections` busy with one request for some seconds.
 *
 * @param request `{ url, method, headers, body, keys }`; with `keys`, each request carries one of them.
 * @returns requests a second, and their latency in milliseconds.
 * @throws Error when a single request was not answered with success: ratios of failures say nothing.
 */
export async function load(request, { connections = 64, seconds, directory }) {
  const run = TOOL === 'wrk' ? byWrk : byAutocannon;
  const { requests, duration, failed, p50, p99 } = await run(request, { connections, seconds, directory });
  if (failed > 0) throw new Error(`${request.name}: ${failed} of ${requests} requests failed.`);
  if (requests === 0) throw new Error(`${request.name}: no request was answered in ${seconds} s.`);
  return { rate: requests / duration, requests, p50, p99 };
}

/** Breaks off a wrk that is under way. */
export function stopLoad() {
  underWay?.kill();
}

async function byWrk({ url, method = 'GET', headers = {}, body, keys }, { connections, seconds, directory }) {
  const script = join(directory, 'request.lua');
  const lines = [`wrk.method = ${lua(method)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`wrk.headers[${lua(name)}] = ${lua(value)}`);
  if (body !== undefined) lines.push(`wrk.body = ${lua(body)}`);
  if (keys !== undefined) {
    const file = join(directory, 'keys.txt');
    writeFileSync(file, keys.join('\n'));
    lines.push(MANY_KEYS.replace('KEYS', lua(file)));
  }
  writeFileSync(script, [...lines, REPORT].join('\n'));
  const output = await outputOf('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    `--timeout=${TIMEOUT_SECONDS}s`,
    '-s',
    script,
    url,
  ]);
  const report = JSON.parse(/^REPORT (.*)$/m.exec(output)?.[1] ?? '{}');
  return {
    requests: report.requests,
    duration: report.micros / 1e6,
    failed: report.failed + report.refused,
    p50: report.p50 / 1000,
    p99: report.p99 / 1000,
  };
}

async function byAutocannon({ url, method = 'GET', headers = {}, body, keys }, { connections, seconds }) {
  const { default: autocannon } = await import('autocannon');
  const result = await autocannon({
    url,
    method,
    headers,
    body,
    requests: keys?.map((key) => ({ headers: { ...headers, authorization: `Bearer ${key}` } })),
    connections,
    duration: seconds,
    timeout: TIMEOUT_SECONDS,
  });
  return {
    requests: result['2xx'],
    duration: result.duration,
    failed: result.non2xx + result.errors,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}

function outputOf(command, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    underWay = child;
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`${command} ended with ${code}.`))));
  });
}

function lua(text) {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
