import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

const OLDEST_NODE = [20, 0];
const RUNTIME = join(ROOT, 'node_modules/.bin/node');

/** What stops a command. The message says, in a sentence, what to do. */
export class Stop extends Error {}

/** @throws Stop when the machine's own Node is too old to begin with. */
export function checkMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new Stop(
      `Node ${process.versions.node} is too old: install Node ${OLDEST_NODE[0]} or newer, then try again.`,
    );
  }
}

/**
 * True when node_modules holds what package-lock.json asks for. Optional packages are left to npm, which leaves out those
 * of other machines.
 */
export function isInstalled() {
  const installed = readJson(join(ROOT, 'node_modules/.package-lock.json'))?.packages;
  const wanted = readJson(join(ROOT, 'package-lock.json'))?.packages;
  if (!installed || !wanted || !existsSync(RUNTIME)) return false;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  );
}

/**
 * Runs `npm ci`, and makes sure that the project's own Node came with it.
 *
 * @throws Stop when npm fails or was told not to run install scripts.
 */
export function install() {
  // The Node that runs npm must not be the one in the folder that npm empties.
  const env = { ...process.env, PATH: machinePath(), SCARF_ANALYTICS: 'false' };
  for (const name of Object.keys(env)) if (name.startsWith('npm_')) delete env[name];
  const flags = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = spawnSync('npm', flags, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error?.code === 'ENOENT')
    throw new Stop('npm is not on the PATH: install it (apt-get install npm), then try again.');
  if (status !== 0) {
    throw new Stop('npm ci failed (see above): check that the npm registry is reachable and this folder is writable.');
  }
  if (spawnSync(RUNTIME, ['--version']).status !== 0) {
    throw new Stop(
      'npm did not run the install script that brings Node 24: run "npm rebuild --ignore-scripts=false node", then try again.',
    );
  }
}

/** The environment in which the project's own tools, its Node 24 first among them, come before the machine's. */
export function toolEnvironment() {
  return { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}${delimiter}${machinePath()}` };
}

function machinePath() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.filter((folder) => !folder.endsWith(`node_modules${sep}.bin`)).join(delimiter);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
