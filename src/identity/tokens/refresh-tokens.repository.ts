import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { RefreshTokenEntity } from './refresh-token.entity.js';

/** The first token of a sign-in. */
export interface NewFamily {
  readonly id: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly tokenHash: string;
  readonly at: Date;
  readonly expiresAt: Date;
  readonly tokenExpiresAt: Date;
}

/** A use of a token. */
export interface Rotation {
  readonly presented: string;
  readonly successor: string;
  readonly holder: string;
  readonly at: Date;
  readonly idleSeconds: number;
  readonly retrySeconds: number;
}

/** The sign-in a token belongs to, as of its use. */
export interface FamilyState {
  readonly familyId: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly epoch: string;
  readonly authenticatedAt: Date;
  readonly amr: readonly string[];
  readonly sessionExpiresAt: Date;
  readonly sessionIdleSeconds: number;
}

/**
 * What became of a use. `rotated`: exchanged; `repeated`: exchanged just before, by the same holder; `reused`: exchanged
 * before, and its family has ended with this use; `refused`: unknown (`familyId` is null), or ended before.
 */
export type RotationOutcome =
  | ({ readonly outcome: 'rotated' | 'repeated'; readonly expiresAt: Date } & FamilyState)
  | ({ readonly outcome: 'reused' } & FamilyState)
  | { readonly outcome: 'refused'; readonly familyId: string | null };

/** A token as it lies there, with what decides whether it works. */
export interface RefreshTokenState {
  readonly familyId: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** Not used, and neither its family nor its session has ended. */
  readonly isLive: boolean;
}

/** Refresh tokens in PostgreSQL. Every call rejects with the driver's error when it is away. */
@Injectable()
export class RefreshTokensRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Opens a family with its first token; resolves to the epoch it carries. */
  async open(family: NewFamily, transaction: Transaction): Promise<string> {
    const { id, sessionId, userId, at, expiresAt, tokenHash, tokenExpiresAt } = family;
    const [row]: { epoch: string }[] = await transaction.query(
      `INSERT INTO refresh_families (id, session_id, epoch, created_at, expires_at)
       VALUES ($1, $2, current_token_epoch($3), $4, $5) RETURNING epoch`,
      [id, sessionId, userId, at, expiresAt],
    );
    await transaction.insert(RefreshTokenEntity, {
      hash: tokenHash,
      familyId: id,
      createdAt: at,
      expiresAt: tokenExpiresAt,
    });
    if (row === undefined) throw new Error('A row just written is not there.');
    return row.epoch;
  }

  /** Uses a token: one statement decides, however many use it at once. */
  async rotate(rotation: Rotation, transaction: Transaction): Promise<RotationOutcome> {
    const { presented, successor, holder, at, idleSeconds, retrySeconds } = rotation;
    const [row]: RotationOutcome[] = await transaction.query(
      `SELECT outcome, family_id AS "familyId", session_id AS "sessionId", user_id AS "userId", epoch, amr,
         authenticated_at AS "authenticatedAt", session_expires_at AS "sessionExpiresAt",
         session_idle_seconds AS "sessionIdleSeconds", expires_at AS "expiresAt"
       FROM rotate_refresh_token($1, $2, $3, $4, $5, $6)`,
      [presented, successor, holder, at, idleSeconds, retrySeconds],
    );
    return row ?? { outcome: 'refused', familyId: null };
  }

  /** The token of this digest; null when there is none. */
  async find(hash: string, at: Date): Promise<RefreshTokenState | null> {
    const [row]: RefreshTokenState[] = await this.source.manager.query(
      `SELECT family.id AS "familyId", session.id AS "sessionId", session.user_id AS "userId",
         token.created_at AS "createdAt", token.expires_at AS "expiresAt",
         token.used_at IS NULL AND token.expires_at > $2 AND family.ended_at IS NULL AND family.expires_at > $2
           AND family.epoch = current_token_epoch(session.user_id)
           AND session.ended_at IS NULL AND session.expires_at > $2
           AND session.last_seen_at + make_interval(secs => session.idle_seconds) > $2
           AND person.status = 'active' AS "isLive"
       FROM refresh_tokens AS token
       JOIN refresh_families AS family ON family.id = token.family_id
       JOIN sessions AS session ON session.id = family.session_id
       JOIN users AS person ON person.id = session.user_id
       WHERE token.hash = $1`,
      [hash, at],
    );
    return row ?? null;
  }

  /** Ends a family; false when it had ended. */
  async end(familyId: string, at: Date, reason: string, transaction: Transaction): Promise<boolean> {
    const [, count]: [unknown, number] = await transaction.query(
      'UPDATE refresh_families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL',
      [familyId, at, reason],
    );
    return count > 0;
  }

  /** The sessions of a user that have tokens and have not ended. */
  async sessionsOf(userId: string, transaction: Transaction): Promise<string[]> {
    const rows: { id: string }[] = await transaction.query(
      `SELECT session.id FROM sessions AS session WHERE session.user_id = $1 AND session.ended_at IS NULL
         AND EXISTS (SELECT FROM refresh_families AS family WHERE family.session_id = session.id)`,
      [userId],
    );
    return rows.map(({ id }) => id);
  }

  /** Deletes up to `limit` tokens, and up to as many families, that ended before `at`; resolves to how many. */
  async removeExpired(at: Date, limit: number): Promise<number> {
    let removed = 0;
    for (const [table, key] of [
      ['refresh_tokens', 'hash'],
      ['refresh_families', 'id'],
    ]) {
      const [, count]: [unknown, number] = await this.source.manager.query(
        `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE expires_at < $1 LIMIT $2)`,
        [at, limit],
      );
      removed += count;
    }
    return removed;
  }
}
