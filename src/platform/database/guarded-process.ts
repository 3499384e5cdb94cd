import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/**
 * Runs a server under a shell that outlives its owner by one breath. The owner holds the other end of file descriptor 3:
 * when it closes, because the owner asked or because it died (SIGKILL included), the server gets the stop signal and,
 * 15 s later, SIGKILL. The shell reports the server's pid on stdout and removes the scratch directory at the end.
 */
const GUARD = `
stop=$1; scratch=$2; shift 2
exec 3<&0 </dev/null 4>&1 >&2
"$@" 3<&- 4>&- & server=$!
echo "$server" >&4; exec 4>&-
( read -r _ <&3
  kill -CONT "$server"; kill "-$stop" "$server"
  tries=0
  while kill -0 "$server" && [ $tries -lt 150 ]; do tries=$((tries + 1)); sleep 0.1; done
  kill -KILL "$server"
) 2>/dev/null & watcher=$!
exec 3<&-
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
[ -z "$scratch" ] || rm -rf "$scratch"
exit "$code"
`;

export interface GuardedProcessOptions {
  readonly command: readonly string[];
  /** Signal name without `SIG` that makes the server finish cleanly. */
  readonly stopSignal: 'INT' | 'TERM';
  /** File descriptor for what the server prints, or `ignore`. */
  readonly output: number | 'ignore';
  /** Directory to remove once the server has ended. */
  readonly scratchDirectory?: string;
  /** Account to run as; only root may set it. */
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** A server process that ends when its owner does, however that one ends. It is not reached by the terminal's Ctrl-C. */
export class GuardedProcess {
  private readonly ended: Promise<void>;

  private constructor(
    private readonly guard: ChildProcess,
    /** The server's own process id. */
    readonly pid: number,
  ) {
    this.ended = guard.exitCode === null ? once(guard, 'exit').then(() => undefined) : Promise.resolve();
  }

  /** @throws Error when the shell cannot be started at all; a server that fails at once shows as not running. */
  static async start(options: GuardedProcessOptions): Promise<GuardedProcess> {
    const spawnOptions: SpawnOptions = {
      cwd: '/',
      detached: true,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', options.output],
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
    };
    const scratch = options.scratchDirectory ?? '';
    const guard = spawn(
      '/bin/sh',
      ['-c', GUARD, 'guard', options.stopSignal, scratch, ...options.command],
      spawnOptions,
    );
    const failure = new Promise<never>((_, reject) => guard.once('error', reject));
    guard.stdin?.on('error', () => undefined);
    const pid = await Promise.race([readPid(guard.stdout), failure]);
    return new GuardedProcess(guard, pid);
  }

  get running(): boolean {
    return this.guard.exitCode === null && this.guard.signalCode === null;
  }

  /** Sends the server a signal, for example `SIGSTOP` to make it a black hole. */
  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Stops the server as if its owner had died, and waits until it has ended. */
  async stop(): Promise<void> {
    this.guard.stdin?.end();
    await this.ended;
  }

  /** Resolves when the server has ended, for whatever reason. */
  async wait(): Promise<void> {
    await this.ended;
  }
}

async function readPid(stdout: Readable | null): Promise<number> {
  let text = '';
  if (stdout) for await (const chunk of stdout) text += String(chunk);
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid <= 0) throw new Error('The guard shell did not report the process it started.');
  return pid;
}
