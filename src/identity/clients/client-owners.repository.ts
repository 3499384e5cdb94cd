import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { ClientEntity } from './client.entity.js';

/** A user as far as owning clients goes. */
export interface LockedOwner {
  readonly status: string;
  /** How many clients belong to it. */
  readonly clients: number;
}

/** Whose clients are. Every call waits within the pool's bounds and then rejects with the driver's error. */
@Injectable()
export class ClientOwnersRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The user a client belongs to; null: nobody, or there is no such client. */
  async ownerOf(clientId: string): Promise<string | null> {
    const client = await this.source.manager.findOne(ClientEntity, { where: { clientId }, select: { ownerId: true } });
    return client?.ownerId ?? null;
  }

  /**
   * The user, locked until the transaction ends against whoever else gives it a client, and against its suspension; null
   * when there is none. To be called before any client is locked: a change of the user locks its clients after it.
   */
  async lock(transaction: Transaction, userId: string): Promise<LockedOwner | null> {
    const [user] = await transaction.query<{ status: string }[]>(
      'SELECT status FROM users WHERE id = $1 FOR NO KEY UPDATE',
      [userId],
    );
    // Counted by a statement of its own: one that had to wait for the lock would count what was there before.
    return user === undefined
      ? null
      : { ...user, clients: await transaction.countBy(ClientEntity, { ownerId: userId }) };
  }

  /**
   * Gives the clients of a user that leaves to its heir, or disables them and leaves them to nobody. Word of it is left
   * in the outbox.
   *
   * @returns the ids of the clients.
   */
  async settle(transaction: Transaction, userId: string, heirId: string | null): Promise<string[]> {
    const rows = await transaction.query<{ id: string }[]>(
      `WITH owned AS (
         SELECT client_id FROM clients WHERE owner_id = $1 ORDER BY client_id FOR UPDATE
       ), settled AS (
         UPDATE clients AS client
         SET owner_id = $2::text, status = CASE WHEN $2::text IS NULL THEN 'disabled' ELSE client.status END
         FROM owned WHERE client.client_id = owned.client_id
         RETURNING client.client_id, client.version
       ), told AS (
         INSERT INTO credential_fences AS fence (client_id, version) SELECT client_id, version FROM settled
         ON CONFLICT (client_id) DO UPDATE SET version = GREATEST(fence.version, EXCLUDED.version)
       )
       SELECT client_id AS id FROM settled ORDER BY client_id`,
      [userId, heirId],
    );
    return rows.map(({ id }) => id);
  }
}
