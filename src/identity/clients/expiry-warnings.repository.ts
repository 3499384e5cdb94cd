import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';

/** How many days ahead of an end somebody is warned. */
export const WARNING_DAYS = [14, 3, 1] as const;
export type WarningDays = (typeof WARNING_DAYS)[number];
const [FIRST, SECOND, LAST] = WARNING_DAYS;

/** An end that is near, and that nobody was warned of so close to it. */
export interface ExpiryWarning {
  readonly kind: 'client' | 'secret';
  /** Of the client or the secret. */
  readonly id: string;
  readonly clientId: string;
  /** Of a secret. */
  readonly hint: string | null;
  readonly endsAt: Date;
  readonly days: WarningDays;
}

/** Which ends were warned of, in PostgreSQL. Every call rejects with the driver's error when it is away. */
@Injectable()
export class ExpiryWarningsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /**
   * Takes up to `limit` warnings that are due, the nearest end first: whoever takes one gives it. An end that is nearer
   * than several warnings gets the last of them alone. What is disabled is let end in silence.
   */
  take(transaction: Transaction, now: Date, limit: number): Promise<ExpiryWarning[]> {
    return transaction.query<ExpiryWarning[]>(
      `WITH ending AS (
         SELECT 'client' AS kind, client.client_id AS subject_id, client.client_id, NULL AS hint, client.expires_at AS ends_at
         FROM clients AS client
         WHERE client.status = 'active' AND client.expires_at > $1 AND client.expires_at <= $1::timestamptz + interval '${FIRST} days'
         UNION ALL
         SELECT 'secret', secret.id, secret.client_id, secret.hint, secret.expires_at
         FROM client_secrets AS secret JOIN clients AS client USING (client_id)
         WHERE client.status = 'active' AND secret.expires_at > $1 AND secret.expires_at <= $1::timestamptz + interval '${FIRST} days'
       ), due AS (
         SELECT ending.*, CASE
           WHEN ends_at <= $1::timestamptz + interval '${LAST} days' THEN ${LAST}
                WHEN ends_at <= $1::timestamptz + interval '${SECOND} days' THEN ${SECOND} ELSE ${FIRST}
         END AS days
         FROM ending
       ), taken AS (
         INSERT INTO expiry_warnings (subject_id, ends_at, days, warned_at)
         SELECT subject_id, ends_at, days, $1 FROM due
         WHERE NOT EXISTS (
           SELECT FROM expiry_warnings AS given
           WHERE given.subject_id = due.subject_id AND given.ends_at = due.ends_at AND given.days <= due.days
         )
         ORDER BY ends_at, subject_id LIMIT $2
         ON CONFLICT DO NOTHING
         RETURNING subject_id
       )
       SELECT kind, subject_id AS id, client_id AS "clientId", hint, ends_at AS "endsAt", days
       FROM due WHERE subject_id IN (SELECT subject_id FROM taken) ORDER BY ends_at, subject_id`,
      [now, limit],
    );
  }

  /** Forgets the warnings of ends before `before`. */
  async removeOld(before: Date): Promise<void> {
    await this.source.manager.query('DELETE FROM expiry_warnings WHERE ends_at < $1', [before]);
  }
}
