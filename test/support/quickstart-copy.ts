import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { eventually } from './eventually.js';

const ROOT = join(import.meta.dirname, '../..');
const PARTS = ['src', 'migrations', 'scripts', 'package.json', 'package-lock.json', '.npmrc', 'nest-cli.json'];
const NOBODY = 65_534;
const START_TIMEOUT_MS = 120_000;

/** One `npm run quickstart` under way or ended. */
export interface QuickstartRun {
  readonly npm: ChildProcess;
  /** What it printed so far, both streams. */
  output(): string;
  /** Waits for the end and gives the exit code; null after a signal. */
  ended(): Promise<number | null>;
}

/** A copy of the checkout, in a folder of its own, with the packages of this one. */
export class QuickstartCopy {
  readonly directory = mkdtempSync(join(tmpdir(), 'core-nest-quickstart-'));
  private readonly runs: QuickstartRun[] = [];

  constructor() {
    chmodSync(this.directory, 0o755);
    const files = [...PARTS, ...readdirSync(ROOT).filter((name) => /^tsconfig.*\.json$/.test(name))];
    for (const name of files) cpSync(join(ROOT, name), join(this.directory, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(this.directory, 'node_modules'));
  }

  /** Starts it as a user would; `asStranger` as an account that may not write here (the caller's rights permitting). */
  start(env: NodeJS.ProcessEnv = {}, { asStranger = false } = {}): QuickstartRun {
    const npm = spawn('npm', ['run', 'quickstart'], {
      cwd: this.directory,
      env: { PATH: machinePath(), HOME: this.directory, npm_config_cache: join(this.directory, '.npm-cache'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(asStranger && process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    let text = '';
    for (const stream of [npm.stdout, npm.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    }
    const ended = once(npm, 'close').then(([code]) => code as number | null);
    const run = { npm, output: () => text, ended: () => ended };
    this.runs.push(run);
    return run;
  }

  /** Starts it and waits until it serves. */
  async serve(env: NodeJS.ProcessEnv = {}): Promise<QuickstartRun> {
    const run = this.start(env);
    await eventually(
      () => run.output().includes('# Read the logs\ncurl') || run.npm.exitCode !== null,
      START_TIMEOUT_MS,
    );
    if (run.npm.exitCode !== null) throw new Error(`The quickstart ended:\n${run.output()}`);
    return run;
  }

  /** Pastes lines into a shell and gives what they print. */
  async paste(lines: string): Promise<string> {
    const shell = spawn('bash', ['-c', `set -o pipefail\n${withCurl()}\n${lines}`], {
      cwd: this.directory,
      env: { PATH: machinePath(), HOME: this.directory },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    shell.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(shell, 'close');
    return text;
  }

  /** Command lines of all processes that have to do with this copy. */
  processes(): string[] {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.map(commandLine).filter((line) => line.includes(`${this.directory}/`));
  }

  async remove(): Promise<void> {
    for (const { npm } of this.runs) npm.kill('SIGKILL');
    await eventually(() => this.processes().length === 0, 20_000);
    await rm(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** As in a user's shell: the project's own Node is not on it. */
function machinePath(): string {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.filter((folder) => !folder.endsWith('node_modules/.bin')).join(delimiter);
}

function withCurl(): string {
  const found = machinePath()
    .split(delimiter)
    .some((folder) => existsSync(join(folder, 'curl')));
  return found ? '' : `curl() { node ${join(ROOT, 'test/support/curl.mjs')} "$@"; }`;
}
