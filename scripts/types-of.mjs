// Checks the types of the whole project and objects only to errors in the files that are named.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, toolEnvironment } from './lib/install.mjs';

const named = new Set(process.argv.slice(2));
const { stdout } = spawnSync(
  join(ROOT, 'node_modules/.bin/tsc'),
  ['--noEmit', '--pretty', 'false', '-p', 'tsconfig.json'],
  {
    cwd: ROOT,
    env: toolEnvironment(),
    encoding: 'utf8',
  },
);
const errors = stdout.split('\n').filter((line) => named.has(line.replace(/\(\d+,\d+\): .*$/, '')));
for (const line of errors) console.error(line);
process.exitCode = errors.length === 0 ? 0 : 1;
