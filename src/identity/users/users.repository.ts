import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { UserEntity } from './user.entity.js';

/** A user without the hash of the password. */
export type User = Pick<
  UserEntity,
  'id' | 'email' | 'name' | 'status' | 'emailVerifiedAt' | 'passwordChangedAt' | 'tier' | 'createdAt' | 'updatedAt'
>;

/** A user as a sign-in needs to know them. */
export type SignInUser = Pick<
  UserEntity,
  'id' | 'email' | 'name' | 'status' | 'emailVerifiedAt' | 'passwordChangedAt' | 'passwordHash'
>;

export type UserToInsert = Pick<UserEntity, 'id' | 'email' | 'emailKey' | 'name' | 'tier'>;

/** The fields of a user that can change; an absent one stays. */
export type UserFields = Partial<Pick<UserEntity, 'name' | 'status' | 'tier'>>;

const UNIQUE_VIOLATION = '23505';
/** By PostgreSQL's clock. */
const NOW = () => 'now()';

/**
 * Users in PostgreSQL. Every call waits no longer than the pool allows (about two seconds for a connection and three for
 * an answer) and then rejects with the driver's error. Ids are compared byte by byte, addresses by their key.
 */
@Injectable()
export class UsersRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  find(id: string, transaction: Transaction = this.source.manager): Promise<User | null> {
    return transaction.findOneBy(UserEntity, { id });
  }

  /** The user with this e-mail address, and the hash of their password. */
  findByEmailKey(emailKey: string): Promise<UserEntity | null> {
    return this.source.manager
      .createQueryBuilder(UserEntity, 'person')
      .addSelect('person.passwordHash')
      .where('person.emailKey = :emailKey', { emailKey })
      .getOne();
  }

  /** The user with this e-mail address, and the hash of their password, as one row that is there either way. */
  async findForSignIn(emailKey: string): Promise<SignInUser | null> {
    const [row] = await this.source.manager.query<(SignInUser | { readonly id: null })[]>(
      `SELECT id, email, name, status, email_verified_at AS "emailVerifiedAt",
              password_changed_at AS "passwordChangedAt", password_hash AS "passwordHash"
       FROM (VALUES ($1)) AS asked (key) LEFT JOIN users ON email_key = asked.key`,
      [emailKey],
    );
    return row === undefined || row.id === null ? null : row;
  }

  /** The user, locked until the transaction ends. */
  lock(id: string, transaction: Transaction): Promise<User | null> {
    return transaction.findOne(UserEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  }

  /** Whether the user has a password. */
  async hasPassword(id: string, transaction: Transaction): Promise<boolean> {
    const [row] = await transaction.query<{ has: boolean }[]>(
      'SELECT password_hash IS NOT NULL AS has FROM users WHERE id = $1',
      [id],
    );
    return row?.has === true;
  }

  /**
   * Stores a user: an active one with a password, else an invited one. Null when somebody has that e-mail address already:
   * the transaction can then only be undone.
   */
  async insert(user: UserToInsert, passwordHash: string | null, transaction: Transaction): Promise<User | null> {
    const active = { status: 'active', passwordHash, passwordChangedAt: NOW, emailVerifiedAt: NOW } as const;
    try {
      await transaction.insert(UserEntity, { ...user, ...(passwordHash === null ? { status: 'invited' } : active) });
    } catch (error) {
      if (isUniqueViolation(error)) return null;
      throw error;
    }
    return this.find(user.id, transaction);
  }

  async update(id: string, fields: UserFields, transaction: Transaction): Promise<void> {
    await transaction.update(UserEntity, { id }, fields);
  }

  /** Gives the user an address that is proved; null when somebody else has it: the transaction can then only be undone. */
  async setEmail(id: string, email: string, emailKey: string, transaction: Transaction): Promise<User | null> {
    try {
      await transaction.update(UserEntity, { id }, { email, emailKey, emailVerifiedAt: NOW });
    } catch (error) {
      if (isUniqueViolation(error)) return null;
      throw error;
    }
    return this.find(id, transaction);
  }

  /** Removes the user, and by their foreign keys what is theirs alone. */
  async remove(id: string, transaction: Transaction): Promise<void> {
    await transaction.delete(UserEntity, { id });
  }
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === UNIQUE_VIOLATION;
}
