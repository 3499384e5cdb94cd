// Starts the measurement on the project's own Node and pins it, with all that it starts, to the core of the load.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CORES, LOAD_CORE, onCore, ROOT, SERVER_CORE } from './machine.mjs';

const NODE = join(ROOT, 'node_modules/.bin/node');

if (!existsSync(NODE)) {
  console.error('node_modules is not there: run "npm ci", then try again.');
  process.exit(1);
}
const [command, ...words] = onCore(LOAD_CORE, [NODE, join(ROOT, 'bench/main.mjs'), ...process.argv.slice(2)]);
const pinned = SERVER_CORE === null ? {} : { BENCH_SERVER_CORE: String(SERVER_CORE), BENCH_CORES: CORES.join(',') };
const env = { ...process.env, ...pinned };
const child = spawn(command, words, { cwd: ROOT, env, stdio: 'inherit' });
// The terminal sends Ctrl-C to the child as well: this process only has to outlive it.
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
