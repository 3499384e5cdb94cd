// What is measured is what is shipped: the build in dist, made anew where a source is younger.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './machine.mjs';

const DIST = join(ROOT, 'dist/src');

/** A module of the build, by its path below `src`. */
export function built(path) {
  return import(join(DIST, path));
}

/** Where a built program is. */
export function builtPath(path) {
  return join(DIST, path);
}

/** Builds unless the build is there and younger than every source. @throws Error when that fails. */
export function ensureBuilt() {
  if (youngest(join(ROOT, 'src')) <= ageOf(join(DIST, 'main.js'))) return;
  console.log('building …');
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new Error('npm run build failed (see above).');
}

function youngest(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => !/\.spec\.ts$/.test(file));
  return Math.max(...files.map((file) => ageOf(join(folder, file))));
}

function ageOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
