import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { MANY_ATTEMPTS } from './build-settings.js';
import { eventually } from './eventually.js';

const ROOT = join(import.meta.dirname, '../..');
const START_MS = 20_000;

/** The whole application in a process of its own, as `npm start` runs it, on a port it picks. */
export interface AppProcess {
  readonly child: ChildProcess;
  readonly port: number;
  /** The lines of its stdout so far, each one JSON object. */
  lines(): Record<string, unknown>[];
  /** All it has written so far, stdout and stderr. */
  output(): string;
  /** Resolves to the exit code once the process has ended; null when a signal ended it. */
  readonly exited: Promise<number | null>;
}

/** Starts it and waits until it says that it is ready. The caller ends it, `SIGKILL` at the latest. */
export async function startAppProcess(env: Record<string, string>): Promise<AppProcess> {
  const child = spawn(
    join(ROOT, 'node_modules/.bin/node'),
    ['--import', join(ROOT, 'test/support/ts-run.mjs'), join(ROOT, 'src/main.ts')],
    {
      cwd: join(ROOT, 'test'),
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        MASTER_KEY: 'a master key that only tests know of',
        BCRYPT_COST: '4',
        PASSWORD_BCRYPT_COST: '4',
        LOG_LEVEL: 'info',
        ...MANY_ATTEMPTS,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
    process.stderr.write(chunk);
  });
  const lines = () =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  await eventually(() => text.includes('"ready"') || child.exitCode !== null, START_MS);
  const listening = lines().find(({ message }) => message === 'listening');
  if (listening === undefined) throw new Error(`The application did not start:\n${text}`);
  return { child, port: Number(listening.port), lines, output: () => text + errors, exited };
}
