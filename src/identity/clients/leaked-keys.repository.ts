import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, IsNull } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { ClientEntity } from './client.entity.js';
import { type AnnouncedChange, announcedChange, lockClient } from './client-rows.repository.js';
import { ClientSecretEntity } from './client-secret.entity.js';

/** A secret as far as finding out which one leaked needs. */
export interface LeakedSecret {
  readonly id: string;
  readonly hashedSecret: string;
  readonly hint: string;
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAt: number | null;
}

/** Leaked keys in PostgreSQL. Every call waits within the pool's bounds and then rejects with the driver's error. */
@Injectable()
export class LeakedKeysRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The secrets of a client that were not revoked; none when there is no such client. */
  async secretsOf(clientId: string): Promise<LeakedSecret[]> {
    const secrets = await this.source.manager.find(ClientSecretEntity, {
      select: { id: true, hashedSecret: true, hint: true, expiresAt: true },
      where: { clientId, revokedAt: IsNull() },
    });
    return secrets.map(({ id, hashedSecret, hint, expiresAt }) => ({
      id,
      hashedSecret,
      hint,
      expiresAt: expiresAt?.getTime() ?? null,
    }));
  }

  /** Deletes the secret and notes the leak on its client; null when another was faster. */
  async revoke(
    transaction: Transaction,
    clientId: string,
    secretId: string,
    now: Date,
  ): Promise<AnnouncedChange | null> {
    const current = await lockClient(transaction, clientId);
    if (current === null) return null;
    const { affected } = await transaction.delete(ClientSecretEntity, { id: secretId, revokedAt: IsNull() });
    if (affected !== 1) return null;
    await transaction.update(ClientEntity, { clientId }, { leakReportedAt: now });
    return announcedChange(transaction, clientId);
  }
}
