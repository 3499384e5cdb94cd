import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** A proxy that passes every request on, and cuts the caller off as soon as the server begins to answer. */
export interface AnswerCutter {
  readonly port: number;
  /** Answers that the server began and nobody received. */
  readonly cut: number;
  stop(): Promise<void>;
}

/** Starts one in front of a port of this machine. */
export async function startAnswerCutter(targetPort: number): Promise<AnswerCutter> {
  let cut = 0;
  const server = createServer((inbound) => {
    const outbound = connect({ host: '127.0.0.1', port: targetPort });
    inbound.pipe(outbound);
    outbound.once('data', () => {
      cut += 1;
      inbound.destroy();
      outbound.destroy();
    });
    for (const socket of [inbound, outbound]) socket.on('error', () => undefined);
    inbound.on('close', () => outbound.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get cut() {
      return cut;
    },
    stop: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
