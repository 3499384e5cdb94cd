import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { OneTimeTokenEntity } from './one-time-token.entity.js';
import { UserEntity } from './user.entity.js';

/** The hashes of passwords. Every call rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class UserPasswordsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The hash of a user's password; null without a user or a password. */
  async find(userId: string): Promise<string | null> {
    const found = await this.source.manager.findOne(UserEntity, {
      where: { id: userId },
      select: { id: true, passwordHash: true },
    });
    return found?.passwordHash ?? null;
  }

  /** Stores the hash of an active user's new password; a reset that was under way is void. False: there is none such. */
  async store(userId: string, passwordHash: string, transaction: Transaction): Promise<boolean> {
    const { affected } = await transaction.update(
      UserEntity,
      { id: userId, status: 'active' },
      { passwordHash, passwordChangedAt: () => 'now()' },
    );
    await transaction.delete(OneTimeTokenEntity, { userId, purpose: 'reset_password' });
    return affected === 1;
  }

  /** Puts another hash of the same password in the place of `before`, if that is still there. */
  async replaceHash(userId: string, before: string, passwordHash: string): Promise<void> {
    await this.source.manager.update(UserEntity, { id: userId, passwordHash: before }, { passwordHash });
  }
}
