import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';

/** Recoveries in PostgreSQL. Every call rejects with the driver's error, within the pool's bounds. */
@Injectable()
export class SignInRecoveriesRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** From now on, for an hour. */
  async remember(userId: string, address: string, transaction: Transaction): Promise<void> {
    await transaction.query(
      `INSERT INTO sign_in_recoveries (user_id, address, until)
       VALUES ($1, $2, clock_timestamp() + interval '1 hour')
       ON CONFLICT (user_id, address) DO UPDATE SET until = EXCLUDED.until`,
      [userId, address],
    );
  }

  async isRemembered(userId: string, address: string): Promise<boolean> {
    const rows = await this.source.manager.query<unknown[]>(
      'SELECT 1 FROM sign_in_recoveries WHERE user_id = $1 AND address = $2 AND until > clock_timestamp()',
      [userId, address],
    );
    return rows.length > 0;
  }

  async deleteExpired(): Promise<void> {
    await this.source.manager.query('DELETE FROM sign_in_recoveries WHERE until < clock_timestamp()');
  }
}
