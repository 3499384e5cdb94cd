import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

/** That a secret was right: when, from where, by what. */
export interface SecretUse {
  readonly secretId: string;
  readonly usedAt: Date;
  readonly address: string;
  readonly userAgent: string | null;
}

/** Each costs an entry in every index of the clients. */
const CLIENTS_A_FLUSH = 2_000;

/** The last use of each secret, in PostgreSQL. */
@Injectable()
export class SecretUsesRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /**
   * Notes uses in one statement; one that is earlier than what is noted is dropped, and so is one of a secret that is no
   * more. The client learns of it to the hour, for the list; of two thousand clients at most, the rest with their next
   * use. No version changes. It never waits for a lock, so that it can be in nobody's way.
   *
   * @returns the ids of secrets that others held locked: their uses were not noted.
   */
  async record(uses: readonly SecretUse[]): Promise<string[]> {
    const rows = await this.source.manager.query<{ id: string }[]>(
      `WITH used AS (
         SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[]) AS u (id, at, address, user_agent)
       ), free AS (
         SELECT id FROM client_secrets WHERE id = ANY ($1::text[]) FOR NO KEY UPDATE SKIP LOCKED
       ), noted AS (
         UPDATE client_secrets AS secret
         SET last_used_at = used.at, last_used_address = used.address, last_used_user_agent = used.user_agent
         FROM used JOIN free USING (id)
         WHERE secret.id = used.id AND (secret.last_used_at IS NULL OR secret.last_used_at < used.at)
         RETURNING secret.client_id, used.at
       ), due AS (
         SELECT client.client_id, latest.at
         FROM clients AS client JOIN (SELECT client_id, max(at) AS at FROM noted GROUP BY client_id) AS latest USING (client_id)
         WHERE client.last_used_at IS NULL OR client.last_used_at < latest.at - interval '1 hour'
         LIMIT ${CLIENTS_A_FLUSH} FOR NO KEY UPDATE OF client SKIP LOCKED
       ), told AS (
         UPDATE clients SET last_used_at = due.at FROM due WHERE clients.client_id = due.client_id
       )
       SELECT id FROM client_secrets WHERE id = ANY ($1::text[]) AND id NOT IN (SELECT id FROM free)`,
      [
        uses.map(({ secretId }) => secretId),
        uses.map(({ usedAt }) => usedAt),
        uses.map(({ address }) => address),
        uses.map(({ userAgent }) => userAgent),
      ],
    );
    return rows.map(({ id }) => id);
  }
}
