import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { chooseAccount, type ServerAccount } from './embedded-account.js';
import { type EmbeddedBinaries, EmbeddedPostgresError, findEmbeddedBinaries } from './embedded-binaries.js';
import { endOrphan } from './embedded-orphan.js';
import { freePort } from './free-port.js';
import { GuardedProcess } from './guarded-process.js';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 20;
const PORT_ATTEMPTS = 5;

export interface EmbeddedPostgresOptions {
  /** Made and filled when it does not exist. Its parent must exist. */
  readonly dataDirectory: string;
  /** The server's own log; started anew each time. */
  readonly logFile: string;
  /** Role and database to make on the first start. */
  readonly role: string;
  readonly password: string;
  /** For tests: the role may do everything, and nothing survives a power cut. */
  readonly disposable?: boolean;
  /** Removed with the server, for tests. */
  readonly scratchDirectory?: string;
}

/**
 * A real PostgreSQL from the npm package, with its data in a directory, on a free port of 127.0.0.1, reached with a
 * password. It ends when this process ends, however that one ends, and recovers from being killed.
 */
export class EmbeddedPostgres {
  private constructor(
    private readonly server: GuardedProcess,
    /** `postgres://…` of the role's own database. */
    readonly url: string,
    /** True when this start made the data directory. */
    readonly created: boolean,
  ) {}

  /**
   * Starts the server and waits until it answers (60 s at most, recovery included).
   *
   * @throws EmbeddedPostgresError when it cannot run here or does not come up; the message says what to do.
   */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const binaries = findEmbeddedBinaries();
    const account = chooseAccount(binaries, options.dataDirectory);
    const created = !existsSync(options.dataDirectory);
    if (created) await initialise(binaries, account, options);
    else await endOrphan(options.dataDirectory);
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const server = await launch(binaries, account, options, port);
      if (await becomesReady(server, options.dataDirectory)) {
        const { role, password } = options;
        return new EmbeddedPostgres(server, `postgres://${role}:${password}@127.0.0.1:${port}/${role}`, created);
      }
      await server.stop();
      const log = readFileSync(options.logFile, 'utf8');
      if (attempt < PORT_ATTEMPTS && log.includes('could not bind')) continue;
      throw new EmbeddedPostgresError(
        `PostgreSQL did not start. Its last words (${options.logFile}):\n${lastLines(log)}`,
      );
    }
  }

  /** Process id of the server, for tests that stop it the hard way. */
  get pid(): number {
    return this.server.pid;
  }

  /** Ends open sessions, writes everything down and waits until no process is left. */
  async stop(): Promise<void> {
    await this.server.stop();
  }
}

/** Fills a new data directory under another name first, so that an interrupted first start leaves nothing half made. */
async function initialise(
  binaries: EmbeddedBinaries,
  account: ServerAccount,
  options: EmbeddedPostgresOptions,
): Promise<void> {
  const unfinished = `${options.dataDirectory}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  if (account.owner) await chown(unfinished, account.owner.uid, account.owner.gid);
  const initdb = [binaries.initdb, '-D', unfinished, '-U', 'postgres', '--encoding=UTF8', '--locale=C'];
  initdb.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--auth=reject', '--no-instructions');
  if (options.disposable) initdb.push('--no-sync');
  await run(account, initdb, '');
  await writeFile(join(unfinished, 'pg_hba.conf'), `host all ${options.role} 127.0.0.1/32 scram-sha-256\n`);
  const statements = [
    `CREATE ROLE ${options.role} LOGIN ${options.disposable ? 'SUPERUSER' : ''} PASSWORD '${options.password}'`,
    `CREATE DATABASE ${options.role} OWNER ${options.role}`,
  ];
  await run(account, [binaries.postgres, '--single', '-D', unfinished, 'postgres'], `${statements.join('\n')}\n`);
  await rename(unfinished, options.dataDirectory);
}

async function launch(
  binaries: EmbeddedBinaries,
  account: ServerAccount,
  options: EmbeddedPostgresOptions,
  port: number,
): Promise<GuardedProcess> {
  const log = openSync(options.logFile, 'w', 0o600);
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: options.disposable ? '300' : '100',
    shared_buffers: '64MB',
    wal_level: 'minimal',
    max_wal_senders: '0',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // A failing statement may hold a secret: the log gets the message alone.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    ...(options.disposable ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  try {
    return await GuardedProcess.start({
      command: [...account.prefix, binaries.postgres, '-D', options.dataDirectory, ...flags],
      stopSignal: 'INT',
      output: log,
      scratchDirectory: options.scratchDirectory,
      env: serverEnvironment(),
      ...account.spawn,
    });
  } finally {
    closeSync(log);
  }
}

/** Waits for the word that PostgreSQL itself leaves in `postmaster.pid`; false when it ended or took too long. */
async function becomesReady(server: GuardedProcess, dataDirectory: string): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (server.running && Date.now() < deadline) {
    const lines = readIfThere(join(dataDirectory, 'postmaster.pid')).split('\n');
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') return true;
    await delay(POLL_MS);
  }
  return false;
}

async function run(account: ServerAccount, command: readonly string[], input: string): Promise<void> {
  const [program = '', ...rest] = [...account.prefix, ...command];
  const child = spawn(program, rest, { cwd: '/', env: serverEnvironment(), ...account.spawn });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.stdin.on('error', () => undefined).end(input);
  const [code] = await once(child, 'close');
  if (code === 0) return;
  throw new EmbeddedPostgresError(`${basename(program)} failed while making a new database:\n${lastLines(output)}`);
}

/** Only what the server needs: nothing of the operator's environment (keys, `PG…` variables) reaches it. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-5).join('\n');
}
