import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { LIVE_SECONDS } from './replica-terms.js';

/** A replica that has not confirmed a change. */
export interface SilentReplica {
  /** Seconds since its last beat. */
  readonly silentSeconds: number;
  readonly aloneSeconds: number;
  readonly staleSeconds: number;
}

/** Until when a replica that does not confirm is waited for and counted: see `ChangeReceipts`. */
export type WaitingWindow = 'live' | 'alone' | 'stale';

const WINDOW_COLUMNS: Readonly<Record<WaitingWindow, string>> = {
  live: String(LIVE_SECONDS),
  alone: 'alone_seconds',
  stale: 'stale_seconds',
};

/** What is asked about replicas over the pool, with its bounded waits; rejects with the driver's error. */
@Injectable()
export class ReplicasRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The replicas that may still act on what was before the change, and have not confirmed it. */
  async silent(changeId: string, window: WaitingWindow): Promise<SilentReplica[]> {
    return this.source.query<SilentReplica[]>(
      `SELECT extract(epoch FROM clock_timestamp() - replica.beat_at)::float8 AS "silentSeconds",
              alone_seconds AS "aloneSeconds", stale_seconds AS "staleSeconds"
       FROM replicas AS replica
       WHERE replica.beat_at > clock_timestamp() - make_interval(secs => ${WINDOW_COLUMNS[window]})
         AND NOT EXISTS (
           SELECT FROM change_receipts AS receipt
           WHERE receipt.change_id = $1 AND receipt.replica_id = replica.id
         )`,
      [changeId],
    );
  }

  /** Deletes what is of use to nobody any more. */
  async removeOld(): Promise<void> {
    await this.source.query(`DELETE FROM changes WHERE created_at < now() - interval '1 day'`);
    await this.source.query(`DELETE FROM change_receipts WHERE at < now() - interval '1 hour'`);
    await this.source.query(`DELETE FROM replicas WHERE beat_at < now() - interval '1 day'`);
  }
}
