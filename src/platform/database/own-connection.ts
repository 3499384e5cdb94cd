import { Socket } from 'node:net';
import { Client, DatabaseError } from 'pg';

const CONNECT_TIMEOUT_MS = 2_000;

/**
 * One connection outside the pool, for what must not wait for it or what lives in a session: opened when it is first
 * used, and anew after it broke.
 */
export class OwnConnection {
  #open: { readonly client: Client; readonly socket: Socket } | null = null;

  constructor(private readonly url: string) {}

  /**
   * Runs `work` on the connection; one caller at a time. Rejects when PostgreSQL is away, within two seconds, and when
   * `work` is not done within `deadlineMs`: whatever it waits for, the connection is cut then. An error that PostgreSQL
   * itself answered leaves the connection as it is.
   */
  async use<T>(deadlineMs: number, work: (client: Client) => Promise<T>): Promise<T> {
    const { client, socket } = await this.#connected();
    const deadline = setTimeout(() => socket.destroy(), deadlineMs);
    try {
      return await work(client);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.severity === 'FATAL') this.close();
      throw error;
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Cuts the connection, without waiting for the server. */
  close(): void {
    this.#open?.socket.destroy();
    this.#open = null;
  }

  async #connected() {
    if (this.#open) return this.#open;
    const socket = new Socket();
    const client = new Client({
      connectionString: this.url,
      application_name: 'core-nest',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      stream: () => socket,
    });
    const forget = () => {
      if (this.#open?.client === client) this.#open = null;
    };
    client.on('error', forget);
    client.on('end', forget);
    try {
      await client.connect();
    } catch (error) {
      socket.destroy();
      throw error;
    }
    this.#open = { client, socket };
    return this.#open;
  }
}
