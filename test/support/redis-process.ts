import { mkdtempSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { freePort } from '../../src/platform/database/free-port.js';
import { GuardedProcess } from '../../src/platform/database/guarded-process.js';

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 10;

export interface RedisProcessOptions {
  /** Directives over the defaults: an array for one that is given several times. */
  readonly directives?: Readonly<Record<string, string | readonly string[]>>;
  readonly sentinel?: boolean;
  readonly tls?: boolean;
  /** Files to find in its directory each time it starts. */
  readonly files?: Readonly<Record<string, string>>;
}

/** One redis-server on 127.0.0.1, kept in memory only, that a test may kill, freeze and bring back. */
export class RedisProcess {
  private constructor(
    private server: GuardedProcess,
    readonly port: number,
    private readonly options: RedisProcessOptions,
  ) {}

  /** @param makeOptions what it is to be on a port that was free a moment ago. */
  static async start(makeOptions: (port: number) => RedisProcessOptions = () => ({})): Promise<RedisProcess> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const started = await RedisProcess.startAt(port, makeOptions(port));
      if (started !== null) return started;
      if (attempt === 5)
        throw new Error('redis-server did not start: is it on the PATH (apt-get install redis-server)?');
    }
  }

  /** Null when it did not start there. */
  static async startAt(port: number, options: RedisProcessOptions): Promise<RedisProcess | null> {
    const server = await launch(port, options);
    if (await becomesReady(server, port, options)) return new RedisProcess(server, port, options);
    await server.stop();
    return null;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get running(): boolean {
    return this.server.running;
  }

  /** As a crash would: connections break, data is gone, the port refuses. */
  async kill(): Promise<void> {
    if (!this.running) return;
    this.server.signal('SIGKILL');
    await this.server.wait();
  }

  /** Freezes it: connections stand, nothing answers. */
  pause(): void {
    if (this.running) this.server.signal('SIGSTOP');
  }

  resume(): void {
    if (this.running) this.server.signal('SIGCONT');
  }

  /** Brings it back, empty, on the same port. */
  async restart(): Promise<void> {
    await this.kill();
    this.server = await launch(this.port, this.options);
    if (!(await becomesReady(this.server, this.port, this.options))) throw new Error('redis-server did not come back.');
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }
}

async function launch(port: number, { directives = {}, sentinel = false, tls, files = {} }: RedisProcessOptions) {
  const scratch = mkdtempSync(join(tmpdir(), 'core-nest-redis-'));
  const listening = tls ? { port: '0', 'tls-port': String(port) } : { port: String(port) };
  const memory = { save: '""', appendonly: 'no', databases: '10000' };
  const all = { bind: '127.0.0.1', ...listening, ...(sentinel ? {} : memory), dir: scratch, ...directives };
  const lines = Object.entries(all).flatMap(([name, values]) => [values].flat().map((value) => `${name} ${value}`));
  for (const [name, text] of Object.entries({ 'redis.conf': lines.join('\n'), ...files }))
    writeFileSync(join(scratch, name), text);
  return GuardedProcess.start({
    command: ['redis-server', join(scratch, 'redis.conf'), ...(sentinel ? ['--sentinel'] : [])],
    stopSignal: 'TERM',
    output: 'ignore',
    scratchDirectory: scratch,
  });
}

async function becomesReady(server: GuardedProcess, port: number, options: RedisProcessOptions): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (server.running && Date.now() < deadline) {
    if (await answersPing(port, options.tls === true)) return true;
    await delay(POLL_MS);
  }
  return false;
}

/** Any line for an answer: one that asks for a password is up as well. */
function answersPing(port: number, tls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const target = { port, host: '127.0.0.1' };
    const ping = () => socket.write('PING\r\n');
    const socket = tls ? connectTls({ ...target, rejectUnauthorized: false }, ping) : createConnection(target, ping);
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('data', (data: Buffer) => {
      resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
