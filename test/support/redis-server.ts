import { createConnection } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/platform/database/free-port.js';
import { GuardedProcess } from '../../src/platform/database/guarded-process.js';

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 10;

/** A real redis-server on a free port of 127.0.0.1, kept in memory only, that a test may kill, freeze and bring back. */
export class RedisServer {
  private constructor(
    private server: GuardedProcess,
    readonly port: number,
  ) {}

  static async start(): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const server = await launch(port);
      if (await becomesReady(server, port)) return new RedisServer(server, port);
      await server.stop();
      if (attempt === 5)
        throw new Error('redis-server did not start: is it on the PATH (apt-get install redis-server)?');
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** As a crash would: connections break, data is gone, the port refuses. */
  async kill(): Promise<void> {
    this.server.signal('SIGKILL');
    await this.server.wait();
  }

  /** Freezes it: connections stand, nothing answers. */
  pause(): void {
    this.server.signal('SIGSTOP');
  }

  resume(): void {
    this.server.signal('SIGCONT');
  }

  /** Brings a killed server back, empty, on the same port. */
  async restart(): Promise<void> {
    if (this.server.running) await this.kill();
    this.server = await launch(this.port);
    if (!(await becomesReady(this.server, this.port))) throw new Error('redis-server did not come back.');
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }
}

async function launch(port: number): Promise<GuardedProcess> {
  const flags = { bind: '127.0.0.1', port, save: '', appendonly: 'no', databases: 10_000, dir: '/tmp' };
  return GuardedProcess.start({
    command: ['redis-server', ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])],
    stopSignal: 'TERM',
    output: 'ignore',
  });
}

async function becomesReady(server: GuardedProcess, port: number): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (server.running && Date.now() < deadline) {
    if (await answersPing(port)) return true;
    await delay(POLL_MS);
  }
  return false;
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('data', (data) => {
      resolve(data.toString().startsWith('+PONG'));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
