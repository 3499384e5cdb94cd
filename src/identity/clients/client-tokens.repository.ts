import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import { type AnnouncedChange, announcedChange, lockClient } from './client-rows.repository.js';

/** What ends the short tokens of a client, in PostgreSQL. Every call rejects with the driver's error when it is away. */
@Injectable()
export class ClientTokensRepository {
  /** Voids every short token the client was given; null when there is no such client. */
  async raiseEpoch(clientId: string, transaction: Transaction): Promise<AnnouncedChange | null> {
    if ((await lockClient(transaction, clientId)) === null) return null;
    await transaction.query('UPDATE clients SET token_epoch = token_epoch + 1 WHERE client_id = $1', [clientId]);
    return announcedChange(transaction, clientId);
  }

  /** What this transaction has changed of the client's tokens; null when there is no such client any more. */
  async announced(clientId: string, transaction: Transaction): Promise<AnnouncedChange | null> {
    return (await lockClient(transaction, clientId)) === null ? null : announcedChange(transaction, clientId);
  }
}
