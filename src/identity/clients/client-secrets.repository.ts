import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import {
  type AnnouncedChange,
  announcedChange,
  type Client,
  type ClientSecret,
  lockClient,
} from './client-rows.repository.js';
import { ClientSecretEntity } from './client-secret.entity.js';

/** A new secret, and what becomes of those before it. */
export interface Rotation {
  readonly secret: Pick<ClientSecretEntity, 'id' | 'hashedSecret' | 'hint' | 'expiresAt'>;
  readonly now: Date;
  /** When the secrets before it end, unless they end before; `now`: at once. */
  readonly previousEnd: Date;
  /** They end before that once they have not been used for a day. */
  readonly finishWhenIdle: boolean;
}

export type EndingSecret = Pick<ClientSecret, 'id'> & { readonly expiresAt: Date };

export interface RotatedSecrets extends AnnouncedChange {
  readonly createdAt: Date;
  /** The secrets that worked until now, and when they end. */
  readonly previous: readonly EndingSecret[];
}

/** A secret that was ended. */
export interface EndedSecret extends AnnouncedChange {
  readonly clientId: string;
  readonly secret: Pick<ClientSecret, 'id' | 'hint'>;
}

/**
 * The secrets of clients in PostgreSQL, changed under their client's lock alone. Every call waits within the pool's
 * bounds and then rejects with the driver's error.
 */
@Injectable()
export class ClientSecretsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /**
   * Adds a secret and gives those before it their end; null when there is no such client.
   *
   * @param decide sees the client as it is; when it throws, nothing changes.
   * @param ownerId as for `lockClient`.
   */
  async rotate(
    transaction: Transaction,
    clientId: string,
    rotation: Rotation,
    decide: (current: Client) => void,
    ownerId: string | null = null,
  ): Promise<RotatedSecrets | null> {
    const current = await lockClient(transaction, clientId, ownerId);
    if (current === null) return null;
    decide(current);
    const { secret, now, previousEnd, finishWhenIdle } = rotation;
    const previous = await transaction.query<EndingSecret[]>(
      `WITH ending AS (
         UPDATE client_secrets
         SET expires_at = least(expires_at, $3),
             revoked_at = CASE WHEN $3 <= $2 THEN $2 ELSE revoked_at END,
             finish_idle_since = CASE WHEN $4 THEN coalesce(finish_idle_since, $2) ELSE finish_idle_since END
         WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2)
         RETURNING id, expires_at, created_at
       ) SELECT id, expires_at AS "expiresAt" FROM ending ORDER BY created_at, id`,
      [clientId, now, previousEnd, finishWhenIdle],
    );
    await transaction.insert(ClientSecretEntity, { ...secret, clientId });
    const { createdAt } = await transaction.findOneOrFail(ClientSecretEntity, { where: { id: secret.id } });
    return { createdAt, previous, ...(await announcedChange(transaction, clientId)) };
  }

  /**
   * Deletes a secret of the client; null when it has none of this id.
   *
   * @param decide sees the client as it is; when it throws, nothing changes.
   * @param ownerId as for `lockClient`.
   */
  async remove(
    transaction: Transaction,
    clientId: string,
    secretId: string,
    decide: (current: Client) => void,
    ownerId: string | null = null,
  ): Promise<EndedSecret | null> {
    const current = await lockClient(transaction, clientId, ownerId);
    if (current === null) return null;
    decide(current);
    const secret = current.secrets.find(({ id }) => id === secretId);
    if (secret === undefined) return null;
    await transaction.delete(ClientSecretEntity, { id: secretId });
    return { clientId, secret, ...(await announcedChange(transaction, clientId)) };
  }

  /** Clients with a secret that is to end because it has not been used since `idleSince`. */
  async clientsWithIdleSecrets(now: Date, idleSince: Date, limit: number): Promise<string[]> {
    const rows = await this.source.manager.query<{ id: string }[]>(
      `SELECT DISTINCT client_id AS id FROM client_secrets
       WHERE finish_idle_since <= $2 AND (last_used_at IS NULL OR last_used_at <= $2) AND expires_at > $1 LIMIT $3`,
      [now, idleSince, limit],
    );
    return rows.map(({ id }) => id);
  }

  /** Ends the secrets of a client that were to end when idle, and are. */
  async endIdle(transaction: Transaction, clientId: string, now: Date, idleSince: Date): Promise<EndedSecret[]> {
    if ((await lockClient(transaction, clientId)) === null) return [];
    const ended = await transaction.query<EndedSecret['secret'][]>(
      `WITH ended AS (
         UPDATE client_secrets SET expires_at = $2, revoked_at = $2
         WHERE client_id = $1 AND finish_idle_since <= $3 AND (last_used_at IS NULL OR last_used_at <= $3)
           AND expires_at > $2
         RETURNING id, hint
       ) SELECT id, hint FROM ended`,
      [clientId, now, idleSince],
    );
    if (ended.length === 0) return [];
    const change = await announcedChange(transaction, clientId);
    return ended.map((secret) => ({ clientId, secret, ...change }));
  }

  /** Clients with secrets that ended before `before`. */
  async clientsWithEndedSecrets(before: Date, limit: number): Promise<string[]> {
    const rows = await this.source.manager.query<{ id: string }[]>(
      'SELECT DISTINCT client_id AS id FROM client_secrets WHERE expires_at < $1 LIMIT $2',
      [before, limit],
    );
    return rows.map(({ id }) => id);
  }

  /** Deletes the secrets of a client that ended before `before`. */
  async removeEnded(transaction: Transaction, clientId: string, before: Date): Promise<void> {
    if ((await lockClient(transaction, clientId)) === null) return;
    await transaction.query('DELETE FROM client_secrets WHERE client_id = $1 AND expires_at < $2', [clientId, before]);
  }
}
