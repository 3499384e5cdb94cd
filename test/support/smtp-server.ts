import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** A mail as the server took it. */
export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as they came, without the dot that ends them. */
  readonly source: string;
}

/** As much of an SMTP server (RFC 5321) as mail is delivered to. It can be stopped, and started again on its port. */
export class SmtpServer {
  readonly taken: TakenMail[] = [];
  /** What it says to a recipient; a test makes it refuse. */
  recipientReply = '250 OK';
  /** Whether it says anything at all. */
  silent = false;
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  port = 0;

  static async start(): Promise<SmtpServer> {
    const server = new SmtpServer();
    await server.start();
    return server;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.#server = createServer((socket) => this.#converse(socket)).listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #converse(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    if (this.silent) return;
    const say = (line: string) => socket.write(`${line}\r\n`);
    let from = '';
    let to: string[] = [];
    let source: string[] | null = null;
    let rest = '';
    say('220 test ESMTP');
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      rest += chunk;
      for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (source !== null) {
          if (line !== '.') source.push(line.replace(/^\.\./, '.'));
          else {
            this.taken.push({ from, to, source: source.join('\r\n') });
            source = null;
            say('250 taken');
          }
        } else if (/^EHLO/i.test(line)) say('250-test\r\n250 8BITMIME');
        else if (/^MAIL FROM:/i.test(line)) {
          from = line.slice(10);
          to = [];
          say('250 OK');
        } else if (/^RCPT TO:/i.test(line)) {
          to.push(line.slice(8));
          say(this.recipientReply);
        } else if (/^DATA/i.test(line)) {
          source = [];
          say('354 go on');
        } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else say('500 what');
      }
    });
  }
}
