import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { addressesBehind } from './redis-shape.js';

type Fault =
  | { readonly kind: 'none' }
  | { readonly kind: 'black-hole' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'delay'; readonly milliseconds: number };

/** One port of the proxy, and what is behind it. */
interface Door {
  readonly target: { readonly host: string; readonly port: number };
  /** 0 until it listened for the first time; the same from then on. */
  port: number;
  server: Server | undefined;
}

/**
 * A loopback proxy between the app and PostgreSQL or Redis, through which a test causes real network faults.
 *
 * `refuse` breaks every connection and closes the port; `blackHole` keeps connections and accepts new ones, but no byte
 * passes in either direction; `delay` holds each chunk back by so many milliseconds, each way; `reset` breaks every
 * connection, each new one as soon as it was accepted; `heal` ends all of it.
 *
 * A Cluster or a Sentinel tells where its servers are: it has a port for each of them, and in what they say their
 * addresses are exchanged for those.
 */
export class TcpProxy {
  private fault: Fault = { kind: 'none' };
  private readonly doors: readonly Door[];
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  /** Connections that were made to it since it started. */
  accepted = 0;

  private constructor(addresses: readonly string[]) {
    this.doors = addresses.map((address) => {
      const colon = address.lastIndexOf(':');
      const target = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
      return { target, port: 0, server: undefined };
    });
  }

  /** @param target where to pass things on to: a `postgres://`, `redis://` or `http://` URL with a port. */
  static async start(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(addressesBehind(target));
    await proxy.listen();
    return proxy;
  }

  get port(): number {
    return this.doors[0]?.port ?? 0;
  }

  /** The target's URL with the proxy in its place. */
  through(target: string): string {
    if (this.doors.length > 1) return this.exchange(target);
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
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

  reset(): void {
    this.setFault({ kind: 'reset' });
    this.dropConnections();
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
    await this.listen();
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
    for (const door of this.doors) {
      if (door.server) continue;
      const server = createServer((inbound) => this.accept(inbound, door));
      server.listen(door.port, '127.0.0.1');
      await once(server, 'listening');
      door.port = (server.address() as AddressInfo).port;
      door.server = server;
    }
  }

  private async close(): Promise<void> {
    const closing = this.doors.map(async (door) => {
      const { server } = door;
      door.server = undefined;
      if (!server) return;
      const closed = once(server, 'close');
      server.close();
      await closed;
    });
    this.dropConnections();
    await Promise.all(closing);
  }

  private accept(inbound: Socket, { target }: Door): void {
    this.accepted += 1;
    if (this.fault.kind === 'reset') {
      inbound.resetAndDestroy();
      return;
    }
    const outbound = connect(target);
    const pair = [inbound, outbound] as const;
    this.pairs.add(pair);
    const told = this.doors.length > 1;
    for (const [from, to, change] of [[inbound, outbound, false] as const, [outbound, inbound, told] as const]) {
      from.setNoDelay(true);
      from.on('data', (chunk) => this.pass(change ? this.exchangeIn(chunk) : chunk, to));
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
    if (fault.kind !== 'delay') to.write(chunk);
    else setTimeout(() => to.writable && to.write(chunk), fault.milliseconds);
  }

  private exchangeIn(chunk: Buffer): Buffer {
    return chunk.includes('127.0.0.1') ? Buffer.from(this.exchange(chunk.toString('latin1')), 'latin1') : chunk;
  }

  /** An address as URLs and redirections write it, `CLUSTER SLOTS` and Sentinels: ports have the same number of digits. */
  private exchange(text: string): string {
    return text.replace(/(127\.0\.0\.1)(:|\r\n:|\r\n\$5\r\n)(\d{5})(?!\d)/g, (whole, host, between, port) => {
      const door = this.doors.find(({ target }) => target.port === Number(port));
      return door === undefined ? whole : `${host}${between}${door.port}`;
    });
  }
}
