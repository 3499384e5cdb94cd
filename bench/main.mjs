// One run: starts what it needs, measures section by section, says which floors hold, stops everything.
import { ensureBuilt } from './built.mjs';
import { stopLoad, TOOL } from './load.mjs';
import { SERVER_CORE } from './machine.mjs';
import { readPlan, USAGE } from './plan.mjs';
import { Stack } from './stack.mjs';

let stack;
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void interrupt());

try {
  const plan = readPlan(process.argv.slice(2));
  ensureBuilt();
  stack = new Stack(plan.profile);
  await stack.start();
  const floors = await measure(plan);
  await stack.stop();
  report(floors, plan);
} catch (error) {
  if (!stopping) {
    await stack?.stop();
    console.error(error instanceof TypeError ? `${error.message}\n\n${USAGE}` : (error.message ?? error));
    process.exitCode = 1;
  }
}

async function measure(plan) {
  const started = performance.now();
  const where = SERVER_CORE === null ? 'nothing pinned' : 'load on one core, server on another';
  console.log(
    `Node ${process.versions.node}, ${TOOL}, 64 connections, ${plan.rounds} rounds of ${plan.seconds} s; ${where}`,
  );
  const floors = [];
  for (const { title, run } of plan.sections) {
    console.log(`\n${title}`);
    floors.push(...(await run(stack, plan)));
  }
  console.log(`\n${Math.round((performance.now() - started) / 1000)} s`);
  return floors;
}

function report(floors, { check }) {
  for (const { text, value, met, required } of floors) {
    const verdict = required ? (met ? 'held' : 'MISSED') : met ? 'goal met' : 'goal not met';
    console.log(`${verdict.padEnd(12)}  ${text}: ${value}`);
  }
  if (check && floors.some(({ met, required }) => required && !met)) process.exitCode = 1;
}

async function interrupt() {
  if (stopping) return;
  stopping = true;
  stopLoad();
  await stack?.stop();
  process.exit(130);
}
