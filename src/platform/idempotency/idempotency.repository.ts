import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, MoreThan } from 'typeorm';
import { IdempotencyKeyInUseError } from '../../kernel/app-error.js';
import type { Transaction } from '../database/transactions.js';
import { IdempotencyKeyEntity } from './idempotency-key.entity.js';

/** How long a repeated request waits for the first one's transaction. */
const LOCK_TIMEOUT_MS = 2_000;
const LOCK_NOT_AVAILABLE = '55P03';
const NO_ANSWER = Buffer.alloc(0);

export type KeptAnswer = Pick<IdempotencyKeyEntity, 'fingerprint' | 'answer'>;

/** Answers kept for repeated requests, in PostgreSQL; every call rejects with the driver's error when it is away. */
@Injectable()
export class IdempotencyRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The answer kept under `id`, unless it has expired; null when there is none. */
  find(id: string, now: Date): Promise<KeptAnswer | null> {
    return this.source.manager.findOne(IdempotencyKeyEntity, {
      where: { id, expiresAt: MoreThan(now) },
      select: { fingerprint: true, answer: true },
    });
  }

  /**
   * Takes `id` for this transaction: whoever else wants it waits until this one has ended. False when an answer is kept
   * under it already; then nothing was changed.
   *
   * @throws IdempotencyKeyInUseError when another transaction holds it for two seconds.
   */
  async claim(transaction: Transaction, id: string, fingerprint: string, now: Date, expiresAt: Date): Promise<boolean> {
    await transaction.query(`SELECT set_config('lock_timeout', $1, true)`, [`${LOCK_TIMEOUT_MS}ms`]);
    try {
      const claimed = await transaction.query<unknown[]>(
        `WITH claimed AS (
           INSERT INTO idempotency_keys AS kept (id, fingerprint, answer, expires_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (id) DO UPDATE
             SET fingerprint = EXCLUDED.fingerprint, answer = EXCLUDED.answer, expires_at = EXCLUDED.expires_at
             WHERE kept.expires_at <= $5
           RETURNING 1
         ) SELECT 1 FROM claimed`,
        [id, fingerprint, NO_ANSWER, expiresAt, now],
      );
      await transaction.query('SET LOCAL lock_timeout TO DEFAULT');
      return claimed.length > 0;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE)
        throw new IdempotencyKeyInUseError();
      throw error;
    }
  }

  /** Keeps the answer of a claimed key, until `expiresAt`. */
  async keep(transaction: Transaction, id: string, answer: Buffer, expiresAt: Date): Promise<void> {
    await transaction.update(IdempotencyKeyEntity, { id }, { answer, expiresAt });
  }

  /** Deletes the answers that have expired. */
  async removeExpired(now: Date): Promise<void> {
    await this.source.manager.query('DELETE FROM idempotency_keys WHERE expires_at <= $1', [now]);
  }
}
