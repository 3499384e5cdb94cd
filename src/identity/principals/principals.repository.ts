import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import type { PrincipalRecord } from './principal.js';

/** The changes that one transaction announced of a user and of the keys it owns. */
export interface AnnouncedPrincipal {
  readonly version: string;
  readonly changeIds: readonly string[];
}

/** All of it in one statement, and so of one moment. */
const PRINCIPAL = `
  SELECT json_build_object(
    'userId', users.id,
    'version', users.version::text,
    'status', users.status,
    'tier', users.tier,
    'epoch', (SELECT epoch FROM token_epochs WHERE name = 'all') || '.' || users.token_epoch,
    'grants', grants_of(users.id, $2),
    'sessions', (
      SELECT coalesce(json_agg(json_build_object(
        'id', session.id, 'kind', session.kind, 'secretHash', session.secret_hash, 'method', session.method,
        'amr', session.amr, 'mfa', session.mfa, 'idleSeconds', session.idle_seconds,
        'authenticatedAt', milliseconds_of(session.authenticated_at),
        'lastSeenAt', milliseconds_of(session.last_seen_at),
        'expiresAt', milliseconds_of(session.expires_at)) ORDER BY session.created_at, session.id), '[]')
      FROM sessions AS session
      WHERE session.user_id = users.id AND session.ended_at IS NULL AND session.expires_at > $2),
    'revokedTokens', (
      SELECT coalesce(json_agg(revoked.jti), '[]') FROM revoked_tokens AS revoked
      WHERE revoked.user_id = users.id AND revoked.expires_at > $2)
  ) AS principal
  FROM users WHERE users.id = $1`;

/** Reads what replicas remember of users. Rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class PrincipalsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The user with its grants, live sessions and revoked tokens as of `now`; null when there is no such user. */
  async find(userId: string, now: Date): Promise<PrincipalRecord | null> {
    const [row] = await this.source.query<{ principal: PrincipalRecord }[]>(PRINCIPAL, [userId, now]);
    return row === undefined ? null : row.principal;
  }

  /**
   * What this transaction announced, of the user and of every key that changed with it. It may name what another
   * transaction of the same millisecond announced, which does no harm: somebody waits for it as well.
   */
  async announced(userId: string, transaction: Transaction): Promise<AnnouncedPrincipal> {
    const [row] = await transaction.query<{ version: string | null; changeIds: string[] | null }[]>(
      `SELECT coalesce(max(version) FILTER (WHERE topic = 'user' AND subject = $1), 0)::text AS version,
         array_agg(id::text) AS "changeIds"
       FROM changes WHERE created_at = now()::timestamptz(3) AND topic IN ('user', 'client')`,
      [userId],
    );
    return { version: row?.version ?? '0', changeIds: row?.changeIds ?? [] };
  }
}
