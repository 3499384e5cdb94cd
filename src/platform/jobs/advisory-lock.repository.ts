import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Client } from 'pg';
import { Settings } from '../config/settings.js';
import { OwnConnection } from '../database/own-connection.js';

const DEADLINE_MS = 3_000;

/**
 * Locks that one process of all replicas holds, in a PostgreSQL session of its own. Whoever holds one keeps it until it
 * stops or loses its connection; PostgreSQL frees it then, within half a minute where the network just went silent.
 */
@Injectable()
export class AdvisoryLockRepository implements OnApplicationShutdown {
  readonly #connection: OwnConnection;
  readonly #held = new WeakMap<Client, Set<string>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: Settings) {
    this.#connection = new OwnConnection(settings.DATABASE_URL);
  }

  /** True when this process holds the lock `name`, or takes it now. Rejects when PostgreSQL is away. */
  holds(name: string): Promise<boolean> {
    const answer = this.#turn.then(() => this.#connection.use(DEADLINE_MS, (client) => this.#take(client, name)));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  onApplicationShutdown(): void {
    this.#connection.close();
  }

  async #take(client: Client, name: string): Promise<boolean> {
    const held = this.#held.get(client);
    if (held?.has(name)) {
      await client.query('SELECT 1');
      return true;
    }
    if (!held)
      await client.query('SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4');
    this.#held.set(client, held ?? new Set());
    const { rows } = await client.query<{ taken: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken',
      [`core-nest:${name}`],
    );
    const taken = rows[0]?.taken === true;
    if (taken) this.#held.get(client)?.add(name);
    return taken;
  }
}
