import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { RevokedTokenEntity } from './revoked-token.entity.js';

/** Tokens that are void before their end, in PostgreSQL. Every call rejects with the driver's error when it is away. */
@Injectable()
export class TokenRevocationsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Voids one token; false when it was void. */
  async add(token: RevokedTokenEntity, transaction: Transaction): Promise<boolean> {
    const { jti, userId, clientId, expiresAt } = token;
    const added: unknown[] = await transaction.query(
      `INSERT INTO revoked_tokens (jti, user_id, client_id, expires_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING RETURNING jti`,
      [jti, userId, clientId, expiresAt],
    );
    return added.length > 0;
  }

  /** Voids all tokens of a user; false when there is no such user. */
  async raiseUserEpoch(userId: string, transaction: Transaction): Promise<boolean> {
    const [, count]: [unknown, number] = await transaction.query(
      'UPDATE users SET token_epoch = token_epoch + 1 WHERE id = $1',
      [userId],
    );
    return count > 0;
  }

  /** Voids all tokens there are; resolves to the changes as they were announced. */
  async raiseEpoch(transaction: Transaction): Promise<string[]> {
    await transaction.query(`UPDATE token_epochs SET epoch = epoch + 1 WHERE name = 'all'`);
    const rows: { id: string }[] = await transaction.query(
      `SELECT max(id)::text AS id FROM changes WHERE subject = '*' AND topic IN ('user', 'client') GROUP BY topic`,
    );
    return rows.map(({ id }) => id);
  }

  /** Forgets up to `limit` tokens that ended before `at`; resolves to how many. */
  async removeExpired(at: Date, limit: number): Promise<number> {
    const [, count]: [unknown, number] = await this.source.manager.query(
      'DELETE FROM revoked_tokens WHERE jti IN (SELECT jti FROM revoked_tokens WHERE expires_at < $1 LIMIT $2)',
      [at, limit],
    );
    return count;
  }
}
