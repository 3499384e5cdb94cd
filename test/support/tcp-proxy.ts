import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

type Fault =
  | { readonly kind: 'none' }
  | { readonly kind: 'black-hole' }
  | { readonly kind: 'delay'; readonly milliseconds: number };

/**
 * A loopback proxy between the app and PostgreSQL or Redis, through which a test causes real network faults.
 *
 * `refuse` breaks every connection and closes the port; `blackHole` keeps connections and accepts new ones, but no byte
 * passes in either direction; `delay` holds each chunk back by so many milliseconds, each way; `heal` ends all of it.
 */
export class TcpProxy {
  private fault: Fault = { kind: 'none' };
  private server: Server | undefined;
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private boundPort = 0;

  private constructor(
    private readonly targetHost: string,
    private readonly targetPort: number,
  ) {}

  /** @param target where to pass things on to: a `postgres://`, `redis://` or `http://` URL with a port. */
  static async start(target: string): Promise<TcpProxy> {
    const url = new URL(target);
    const proxy = new TcpProxy(url.hostname, Number(url.port));
    await proxy.listen();
    return proxy;
  }

  get port(): number {
    return this.boundPort;
  }

  /** The target's URL with the proxy in its place. */
  through(target: string): string {
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String(this.boundPort);
    return url.href;
  }

  get connections(): number {
    return this.pairs.size;
  }

  async refuse(): Promise<void> {
    await this.close();
  }

  blackHole(): void {
    this.setFault({ kind: 'black-hole' });
  }

  delay(milliseconds: number): void {
    this.setFault({ kind: 'delay', milliseconds });
  }

  /** Breaks the connections that stand, once; new ones pass. */
  dropConnections(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
  }

  /** What was stuck in a black hole stays lost with its connection; new connections pass. */
  async heal(): Promise<void> {
    const lost = this.fault.kind === 'black-hole';
    this.setFault({ kind: 'none' });
    if (lost) this.dropConnections();
    if (!this.server) await this.listen();
  }

  async stop(): Promise<void> {
    await this.close();
  }

  private setFault(fault: Fault): void {
    this.fault = fault;
    for (const pair of this.pairs)
      for (const socket of pair) fault.kind === 'black-hole' ? socket.pause() : socket.resume();
  }

  private async listen(): Promise<void> {
    const server = createServer((inbound) => this.accept(inbound));
    server.listen(this.boundPort, '127.0.0.1');
    await once(server, 'listening');
    this.boundPort = (server.address() as AddressInfo).port;
    this.server = server;
  }

  private async close(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    this.dropConnections();
    if (!server) return;
    server.close();
    await once(server, 'close');
  }

  private accept(inbound: Socket): void {
    const outbound = connect({ host: this.targetHost, port: this.targetPort });
    const pair = [inbound, outbound] as const;
    this.pairs.add(pair);
    for (const [from, to] of [pair, [outbound, inbound] as const]) {
      from.setNoDelay(true);
      from.on('data', (chunk) => this.pass(chunk, to));
      from.on('error', () => from.destroy());
      from.on('close', () => {
        this.pairs.delete(pair);
        to.destroy();
      });
    }
    if (this.fault.kind === 'black-hole') for (const socket of pair) socket.pause();
  }

  private pass(chunk: Buffer, to: Socket): void {
    const fault = this.fault;
    if (fault.kind === 'black-hole') return;
    if (fault.kind === 'none') to.write(chunk);
    else setTimeout(() => to.writable && to.write(chunk), fault.milliseconds);
  }
}
