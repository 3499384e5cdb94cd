import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, In, IsNull } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { OneTimeTokenEntity } from './one-time-token.entity.js';
import { UserEntity } from './user.entity.js';

/** By PostgreSQL's clock. */
const NOW = () => 'now()';

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

  /**
   * Stores the hash of an active user's new password; a reset and a change of address that were under way are void.
   *
   * @param lastChangedAt when it was last changed as far as the caller knows.
   * @returns false when there is none such, or it was changed since.
   */
  async replace(
    userId: string,
    passwordHash: string,
    transaction: Transaction,
    lastChangedAt?: Date | null,
  ): Promise<boolean> {
    const { affected } = await transaction.update(
      UserEntity,
      {
        id: userId,
        status: 'active',
        ...(lastChangedAt !== undefined && { passwordChangedAt: lastChangedAt ?? IsNull() }),
      },
      { passwordHash, passwordChangedAt: NOW },
    );
    await transaction.delete(OneTimeTokenEntity, { userId, purpose: In(['reset_password', 'verify_email']) });
    return affected === 1;
  }

  /** Makes an invited user an active one, whose address is proved. False: there is none such. */
  async activate(
    userId: string,
    passwordHash: string,
    name: string | undefined,
    transaction: Transaction,
  ): Promise<boolean> {
    const { affected } = await transaction.update(
      UserEntity,
      { id: userId, status: 'invited' },
      {
        status: 'active',
        passwordHash,
        passwordChangedAt: NOW,
        emailVerifiedAt: NOW,
        ...(name !== undefined && { name }),
      },
    );
    await transaction.delete(OneTimeTokenEntity, { userId, purpose: 'invite' });
    return affected === 1;
  }

  /** Puts another hash of the same password in the place of `before`, if that is still there. */
  async replaceHash(userId: string, before: string, passwordHash: string): Promise<void> {
    await this.source.manager.update(UserEntity, { id: userId, passwordHash: before }, { passwordHash });
  }
}
