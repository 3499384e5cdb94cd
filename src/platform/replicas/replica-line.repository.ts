import { Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { Settings } from '../config/settings.js';
import { OwnConnection } from '../database/own-connection.js';
import { type Change, readChange } from './change.js';
import { CHANGES_CHANNEL, LIVE_SECONDS, RECEIPTS_CHANNEL } from './replica-terms.js';

const DEADLINE_MS = 1_500;
const PAGE = 1_000;

/** What a replica hears on its line: a change, or that somebody confirmed one. */
export interface LineListener {
  changed(change: Change): void;
  confirmed(changeId: string): void;
}

/** How long a replica may accept what it should not, after its last beat (see `ReplicaEntity`). */
export interface AcceptanceWindows {
  readonly aloneSeconds: number;
  readonly staleSeconds: number;
}

export interface Beat {
  /** PostgreSQL's clock, milliseconds since the epoch. */
  readonly databaseMs: number;
  /** Replicas that beat lately, this one included. */
  readonly live: number;
}

/**
 * A replica's own PostgreSQL session: it listens there, beats there and confirms there, so that a full pool delays
 * neither. Every call ends within about two seconds; one that fails cuts the session, and the next call opens another.
 * What was announced in between is found by `changesSince`.
 */
@Injectable()
export class ReplicaLine {
  readonly #connection: OwnConnection;
  readonly #prepared = new WeakSet<Client>();
  #turn: Promise<unknown> = Promise.resolve();
  #listener: LineListener | null = null;

  constructor(settings: Settings) {
    this.#connection = new OwnConnection(settings.DATABASE_URL);
  }

  /** Who is told what is heard; one only. */
  listen(listener: LineListener): void {
    this.#listener = listener;
  }

  /** Notes that the replica lives, registering it where it is unknown. Rejects when PostgreSQL is away. */
  beat(id: string, { aloneSeconds, staleSeconds }: AcceptanceWindows): Promise<Beat> {
    return this.#use(async (client) => {
      const { rows } = await client.query<{ now: number; live: number }>(
        `WITH beat AS (
           INSERT INTO replicas (id, alone_seconds, stale_seconds) VALUES ($1, $2, $3)
           ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp()
         )
         SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now, count(*)::int + 1 AS live
         FROM replicas WHERE id <> $1 AND beat_at > clock_timestamp() - make_interval(secs => $4)`,
        [id, aloneSeconds, staleSeconds, LIVE_SECONDS],
      );
      const [row] = rows;
      if (row === undefined) throw new Error('A count gave no row.');
      return { databaseMs: row.now, live: row.live };
    });
  }

  /** The changes that began after a moment (milliseconds, PostgreSQL's clock), oldest first, a page at a time. */
  changesSince(databaseMs: number, afterId: string): Promise<Change[]> {
    return this.#use(async (client) => {
      const { rows } = await client.query<Change>(
        `SELECT id, topic, subject, version FROM changes
         WHERE created_at > to_timestamp($1::float8 / 1000) AND id > $2 ORDER BY id LIMIT ${PAGE}`,
        [databaseMs, afterId],
      );
      return rows;
    });
  }

  /** Writes the replica's receipts for changes that there are, and tells whoever waits for them. */
  confirm(id: string, changeIds: readonly string[]): Promise<void> {
    return this.#use(async (client) => {
      await client.query(
        `WITH receipt AS (
           INSERT INTO change_receipts (change_id, replica_id) SELECT id, $2 FROM changes WHERE id = ANY ($1::bigint[])
           ON CONFLICT DO NOTHING RETURNING change_id
         )
         SELECT pg_notify('${RECEIPTS_CHANNEL}', change_id::text) FROM receipt`,
        [changeIds, id],
      );
    });
  }

  /** Takes the replica off the list and hangs up; from then on nobody waits for it. Never rejects. */
  async leave(id: string): Promise<void> {
    await this.#use((client) => client.query('DELETE FROM replicas WHERE id = $1', [id])).catch(() => undefined);
    this.#listener = null;
    this.#connection.close();
  }

  #use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const answer = this.#turn.then(() =>
      this.#connection.use(DEADLINE_MS, async (client) => {
        if (!this.#prepared.has(client)) await this.#prepare(client);
        return work(client);
      }),
    );
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  /** Beats and receipts need not outlive a crash of PostgreSQL: the next beat, and the next poll, write them again. */
  async #prepare(client: Client): Promise<void> {
    client.on('notification', ({ channel, payload }) => this.#heard(channel, payload ?? ''));
    await client.query(`SET synchronous_commit = off; LISTEN ${CHANGES_CHANNEL}; LISTEN ${RECEIPTS_CHANNEL}`);
    this.#prepared.add(client);
  }

  #heard(channel: string, payload: string): void {
    const change = channel === CHANGES_CHANNEL ? readChange(payload) : null;
    if (change !== null) this.#listener?.changed(change);
    if (channel === RECEIPTS_CHANNEL) this.#listener?.confirmed(payload);
  }
}
