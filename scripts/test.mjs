// Every check of the project on a machine with only Node and npm. Starts under the machine's Node, without node_modules.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkMachine, install, isInstalled, ROOT, Stop, toolEnvironment } from './lib/install.mjs';
import { bringRedis } from './lib/redis.mjs';

const RESULTS = join(ROOT, 'node_modules/.cache/jest-results.json');

const CHECKS = [
  ['format and lint', 'lint'],
  ['types', 'types'],
  ['dependency rules', 'deps'],
  ['unused code', 'unused'],
  ['.env.example = settings', 'env-example'],
  ['access matrix = routes', 'access-matrix'],
  ['lock file of every platform', 'lock'],
  ['build', 'build'],
];

const totals = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
let current;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    stopped = true;
    if (current?.exitCode === null) process.kill(-current.pid, 'SIGTERM');
  });
}
let stopped = false;

try {
  checkMachine();
  if (isInstalled()) say('packages', 'in place');
  else {
    say('packages', 'npm ci …');
    install();
  }
  say('redis-server', bringRedis());
  for (const [title, script] of CHECKS) await check(title, script);
  await jest();
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  fail('set-up', error.message);
}
summarise();

function say(title, text) {
  console.log(`${title.padEnd(26)} ${text}`);
}

function fail(title, output) {
  totals.failed++;
  failures.push({ title, output });
}

async function check(title, script) {
  if (stopped) return;
  const started = Date.now();
  const { code, output } = await npm(script, []);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  say(title, `${code === 0 ? 'passed' : 'FAILED'} (${seconds} s)`);
  if (code === 0) totals.passed++;
  else fail(title, output);
}

/**
 * Each test counts, and so does the coverage against its thresholds. What was run on one Redis server runs again on
 * other shapes of it; what compares times runs last, alone.
 */
async function jest() {
  const projects = ['unit', 'integration', 'e2e', 'security'];
  const printed = await runTests('tests', ['--coverage', '--selectProjects', ...projects]);
  const short = printed?.match(/Jest: .*threshold.*/g);
  if (short) fail('coverage', short.join('\n'));
  else if (printed !== undefined) totals.passed++;
  await runTests('on Cluster and Sentinel', ['--selectProjects', 'cluster', 'sentinel']);
  await runTests('tests of times', ['--runInBand', '--selectProjects', 'timing']);
}

/** Counts what jest counted, and gives what it printed; undefined when it did not get to the end. */
async function runTests(title, flags) {
  if (stopped) return undefined;
  say(title, '');
  rmSync(RESULTS, { force: true });
  const show = (chunk) => process.stdout.write(chunk);
  const { output } = await npm('jest', ['--json', `--outputFile=${RESULTS}`, '--forceExit', ...flags], show);
  const results = readResults();
  if (!results) {
    if (!stopped) fail(title, 'jest ended without results (see above).');
    return undefined;
  }
  totals.passed += results.numPassedTests;
  totals.skipped += results.numPendingTests + results.numTodoTests;
  for (const suite of results.testResults) {
    const failed = suite.assertionResults.filter(({ status }) => status === 'failed').length;
    totals.failed += failed || Number(suite.status === 'failed');
    if (suite.status === 'failed') failures.push({ title: suite.name, output: suite.message });
  }
  return output;
}

function readResults() {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8'));
  } catch {
    return undefined;
  }
}

function npm(script, flags, show = () => undefined) {
  return new Promise((resolve) => {
    const words = ['run', '--silent', script, ...(flags.length ? ['--', ...flags] : [])];
    const child = spawn('npm', words, {
      cwd: ROOT,
      env: toolEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, so that all of it can be ended at once.
      detached: true,
    });
    current = child;
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        show(chunk);
      });
    }
    child.once('close', (code) => resolve({ code, output: text }));
  });
}

function summarise() {
  for (const { title, output } of failures) console.log(`\n--- FAILED: ${title}\n${output.trim()}`);
  if (stopped) fail('interrupted', '');
  if (totals.skipped) console.log(`\n${totals.skipped} skipped`);
  console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
  process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}
