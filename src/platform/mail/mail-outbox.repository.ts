import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../database/transactions.js';
import type { MailParams } from './mail-message.js';

/** A mail that was taken out to be tried. */
export interface OutgoingMail {
  readonly id: string;
  readonly kind: string;
  readonly params: MailParams;
  /** This try counted. */
  readonly attempts: number;
  readonly ageSeconds: number;
}

/** Mail that waits in PostgreSQL. Every call rejects with the driver's error when that is away. */
@Injectable()
export class MailOutboxRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Adds a mail; one about the very same that waits already is enough. */
  async add(kind: string, params: MailParams, transaction: Transaction = this.source.manager): Promise<void> {
    await transaction.query(
      'INSERT INTO mail_outbox (kind, params) VALUES ($1, $2) ON CONFLICT (kind, params) DO NOTHING',
      [kind, JSON.stringify(params)],
    );
  }

  /** Takes out mail that is due, in one statement: nobody else gets it for the next `leaseSeconds`. */
  async take(kinds: readonly string[], limit: number, leaseSeconds: number): Promise<OutgoingMail[]> {
    const [rows] = await this.source.manager.query<[OutgoingMail[], number]>(
      `UPDATE mail_outbox AS mail
       SET attempts = mail.attempts + 1, next_attempt_at = now() + make_interval(secs => $3)
       FROM (SELECT id FROM mail_outbox WHERE next_attempt_at <= now() AND kind = ANY($1)
             ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS due
       WHERE mail.id = due.id
       RETURNING mail.id::text, mail.kind, mail.params, mail.attempts,
                 extract(epoch FROM now() - mail.created_at)::float8 AS "ageSeconds"`,
      [kinds, limit, leaseSeconds],
    );
    return rows;
  }

  /** Puts a mail back, to be tried again in so many seconds. */
  async postpone(id: string, seconds: number): Promise<void> {
    await this.source.manager.query(
      'UPDATE mail_outbox SET next_attempt_at = now() + make_interval(secs => $2) WHERE id = $1',
      [id, seconds],
    );
  }

  async remove(id: string): Promise<void> {
    await this.source.manager.query('DELETE FROM mail_outbox WHERE id = $1', [id]);
  }
}
