import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One answer as it came over the wire. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A connection that says exactly what a test wants said, and reads answers one after the other. */
export class RawConnection {
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.#text += chunk;
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** The next answer; null when the connection ended instead. */
  async response(): Promise<RawResponse | null> {
    const head = await this.#until(() => this.#text.includes('\r\n\r\n'));
    if (!head) return null;
    const end = this.#text.indexOf('\r\n\r\n');
    const [statusLine = '', ...lines] = this.#text.slice(0, end).split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const length = Number(headers['content-length'] ?? 0);
    await this.#until(() => this.#text.length >= end + 4 + length);
    const body = this.#text.slice(end + 4, end + 4 + length);
    this.#text = this.#text.slice(end + 4 + length);
    return { status: Number(statusLine.split(' ')[1]), headers, body };
  }

  /** True when the server ended the connection; nothing more can be read. */
  async ended(): Promise<boolean> {
    await this.#until(() => false);
    return this.#ended && this.#text === '';
  }

  close(): void {
    this.socket.destroy();
  }

  async #until(done: () => boolean): Promise<boolean> {
    while (!done()) {
      if (this.#ended) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return true;
  }
}
