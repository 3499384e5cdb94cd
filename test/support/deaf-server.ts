import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A port whose listener accepts nobody, with its queue full: a connection to it is neither made nor refused. */
export interface DeafServer {
  readonly origin: string;
  close(): void;
}

const LISTEN_AND_SLEEP = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;
const MORE_THAN_THE_QUEUE = 8;

export async function startDeafServer(): Promise<DeafServer> {
  const child = spawn(process.execPath, ['-e', LISTEN_AND_SLEEP], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  const queued: Socket[] = [];
  for (let index = 0; index < MORE_THAN_THE_QUEUE; index += 1)
    queued.push(connect({ port, host: '127.0.0.1' }).on('error', () => undefined));
  await once(queued[0] as Socket, 'connect');
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => {
      for (const socket of queued) socket.destroy();
      child.kill('SIGKILL');
    },
  };
}
