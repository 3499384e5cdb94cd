import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import type { GuessShares } from './guess-shares.js';

/** Whose attempt it is: digests and the address, as they are stored. */
export interface AttemptKeys {
  readonly account: string;
  readonly address: string;
  /** A device that is known for the account; null: none is. */
  readonly device: string | null;
}

/** The counter that a refusal is about. */
export type AttemptCounter = 'account' | 'address' | 'device';

/** An attempt that may be hashed, and its place among those of its counter, itself included. */
export interface ReservedAttempt {
  readonly verdict: 'reserved';
  readonly id: string;
  /** Failures in a row, if this is one. */
  readonly failures: number;
  /** Guesses of the last 24 hours, if this is one. */
  readonly guesses: number;
}

/** Nothing was reserved. `busy`: as many as may be are under way; the answer changes when one of them is decided. */
export interface RefusedAttempt {
  readonly verdict: 'exhausted' | 'delayed' | 'busy';
  readonly counter: AttemptCounter;
  readonly waitMs: number;
}

interface ReserveRow {
  readonly attempt_id: string | null;
  readonly verdict: 'reserved' | RefusedAttempt['verdict'];
  readonly counter: AttemptCounter;
  readonly wait_ms: string | null;
  readonly failures: string;
  readonly guesses: string;
}

/** The counters of sign-in, in PostgreSQL alone. Every call rejects with the driver's error, within the pool's bounds. */
@Injectable()
export class SignInAttemptsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** One statement that counts and reserves under one lock, by PostgreSQL's clock. */
  async reserve(keys: AttemptKeys, shares: GuessShares): Promise<ReservedAttempt | RefusedAttempt> {
    const [row] = await this.source.manager.query<[ReserveRow]>(
      'SELECT * FROM reserve_sign_in($1, $2, $3, $4, $5, $6)',
      [keys.account, keys.address, keys.device, shares.strangers, shares.known, shares.device],
    );
    const { verdict } = row;
    if (verdict !== 'reserved') return { verdict, counter: row.counter, waitMs: Number(row.wait_ms) };
    return { verdict, id: String(row.attempt_id), failures: Number(row.failures), guesses: Number(row.guesses) };
  }

  /** The attempt was wrong. Until this is committed it counts as under way, and as wrong a minute after it began. */
  async failed(id: string, transaction: Transaction): Promise<void> {
    await transaction.query('UPDATE sign_in_attempts SET decided_at = clock_timestamp() WHERE id = $1', [id]);
  }

  /** The attempt was right: takes it out, and the delays of the account with it. Waits for the account's lock. */
  async succeeded(id: string, account: string, transaction: Transaction): Promise<void> {
    await transaction.query('SELECT forgive_sign_ins($1, $2)', [id, account]);
  }

  /** The attempt was never hashed, or it was right and could not be served. */
  async release(id: string): Promise<void> {
    await this.source.manager.query('DELETE FROM sign_in_attempts WHERE id = $1', [id]);
  }

  /** Deletes what no counter looks at any more. */
  async deleteExpired(): Promise<void> {
    await this.source.manager.query(`DELETE FROM sign_in_attempts WHERE at < clock_timestamp() - interval '1 day'`);
  }
}
