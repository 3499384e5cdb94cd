// From a bare machine to a serving instance. Starts under the machine's Node, without node_modules.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkMachine, install, isInstalled, ROOT, Stop, toolEnvironment } from './lib/install.mjs';

const SOURCES = ['src', 'migrations', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json'];
const STAMP = join(ROOT, 'dist/.sources');
const PARENT_POLL_MS = 250;
/** npm passes on a Ctrl-C that the terminal delivers as well: within this time both are one. */
const SAME_SIGNAL_MS = 500;

try {
  prepare();
  serve();
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}

function prepare() {
  checkMachine();
  if (isInstalled()) say('packages', 'in place');
  else {
    assertWritable();
    say('packages', 'installing (a minute or two) …');
    install();
  }
  const sources = hashSources();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sources) say('build', 'up to date');
  else {
    assertWritable();
    say('build', 'compiling …');
    build();
    writeFileSync(STAMP, sources);
  }
}

function say(title, text) {
  console.log(`${title.padEnd(12)} ${text}`);
}

function assertWritable() {
  try {
    rmdirSync(mkdtempSync(join(ROOT, '.probe-')));
  } catch (error) {
    throw new Stop(
      `${ROOT} cannot be written (${error.code}): copy the checkout to a folder that is yours to write, then try again.`,
    );
  }
}

function hashSources() {
  const hash = createHash('sha256');
  const add = (path) => {
    const full = join(ROOT, path);
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) for (const name of readdirSync(full).sort()) add(join(path, name));
    else hash.update(path).update('\0').update(readFileSync(full)).update('\0');
  };
  for (const path of SOURCES) add(path);
  return hash.digest('hex');
}

function build() {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: ROOT,
    env: toolEnvironment(),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Stop(`The build failed:\n${stdout}${stderr}`);
}

/** Runs the server under the project's own Node, and ends it when this process, or the npm above it, ends. */
function serve() {
  const env = toolEnvironment();
  const child = spawn(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'dist/src/quickstart.js')], {
    cwd: ROOT,
    env,
    // A session of its own: the terminal's Ctrl-C reaches it through here, once.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let last = 0;
  const forward = (signal) => {
    if (Date.now() - last < SAME_SIGNAL_MS) return;
    last = Date.now();
    child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => forward(signal));
  process.on('SIGHUP', () => forward('SIGTERM'));
  if (env.npm_lifecycle_event) {
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && forward('SIGTERM'), PARENT_POLL_MS).unref();
  }
  child.on('error', ({ code }) => {
    console.error(`The project's Node could not be started (${code}): remove node_modules, then try again.`);
    process.exitCode = 1;
  });
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
    process.removeAllListeners('SIGINT');
  });
}
