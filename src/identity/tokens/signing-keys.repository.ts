import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { SigningKeyEntity } from './signing-key.entity.js';

export type StoredSigningKey = Pick<
  SigningKeyEntity,
  'kid' | 'publicJwk' | 'sealedPrivateKey' | 'notBefore' | 'retiresAt'
>;

/** The keys in PostgreSQL. Every call rejects with the driver's error when it is away. */
@Injectable()
export class SigningKeysRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** All of them, the one that signs first first. */
  findAll(transaction: Transaction = this.source.manager): Promise<StoredSigningKey[]> {
    return transaction.find(SigningKeyEntity, { order: { notBefore: 'ASC', kid: 'ASC' } });
  }

  /** Waits until no other transaction makes or retires keys, and keeps others from it until this one ends. */
  async lock(transaction: Transaction): Promise<void> {
    await transaction.query("SELECT pg_advisory_xact_lock(hashtextextended('core-nest:signing-keys', 0))");
  }

  /** Adds a key. */
  async insert(key: Omit<StoredSigningKey, 'retiresAt'>, transaction: Transaction): Promise<void> {
    await transaction.insert(SigningKeyEntity, { ...key, retiresAt: null });
  }

  /** Notes when the successor of a key begins to sign. */
  async retire(kid: string, retiresAt: Date, transaction: Transaction): Promise<void> {
    await transaction.update(SigningKeyEntity, { kid }, { retiresAt });
  }

  /** Removes the keys that retired before `before`; resolves to their ids. */
  async removeRetired(before: Date, transaction: Transaction): Promise<string[]> {
    const [rows]: [{ kid: string }[], number] = await transaction.query(
      'DELETE FROM signing_keys WHERE retires_at < $1 RETURNING kid',
      [before],
    );
    return rows.map(({ kid }) => kid);
  }
}
