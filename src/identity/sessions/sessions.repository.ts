import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import type { SessionKind } from './session.entity.js';

/** Why a session ended. */
export const END_REASONS = [
  'signed_out',
  'ended',
  'ended_by_administrator',
  'replaced',
  'password_changed',
  'suspended',
  'deleted',
  'token_reuse',
  'idle',
  'expired',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** A session that begins. */
export interface NewSession {
  readonly id: string;
  readonly userId: string;
  readonly kind: SessionKind;
  readonly secretHash: string | null;
  readonly method: string;
  readonly amr: readonly string[];
  readonly mfa: boolean;
  readonly deviceId: string;
  readonly device: string | null;
  readonly address: string;
  readonly country: string | null;
  readonly createdAt: Date;
  readonly idleSeconds: number;
  readonly expiresAt: Date;
  /** When its use from two countries was told of; null: it is used from one. */
  readonly alarmedAt: Date | null;
}

/** What there is to say of a session that was raised. */
export interface RaisedSession {
  readonly authenticatedAt: Date;
  /** Whole seconds until the end of a session that outlasts the browser, which is one that never ends for idleness. */
  readonly keptSeconds: number | null;
}

/** A user, held until the transaction ends. */
export interface LockedUser {
  readonly status: 'invited' | 'active' | 'suspended';
  readonly passwordChangedAt: Date | null;
}

/** When a session that nobody ended has ended by itself. */
const ITS_END = 'least(expires_at, last_seen_at + make_interval(secs => idle_seconds))';

/**
 * Sessions, as they begin and end. Whoever ends one has its user locked first, in this order everywhere: the trigger on
 * sessions writes to the user, and the other way round two of them could wait for each other.
 */
@Injectable()
export class SessionsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Locks the user until the transaction ends; null: there is none. What is shown of the user may still be read. */
  async lockUser(userId: string, transaction: Transaction): Promise<LockedUser | null> {
    const [row] = await transaction.query<LockedUser[]>(
      'SELECT status, password_changed_at AS "passwordChangedAt" FROM users WHERE id = $1 FOR NO KEY UPDATE',
      [userId],
    );
    return row ?? null;
  }

  /** Whether there is such a user. Rejects when PostgreSQL is away, as the others do. */
  async userExists(userId: string): Promise<boolean> {
    const rows = await this.source.query<unknown[]>('SELECT 1 FROM users WHERE id = $1', [userId]);
    return rows.length > 0;
  }

  /** Ends what had ended by itself, so that it cannot come back, and gives the user's live sessions, the oldest first. */
  async liveIds(userId: string, now: Date, transaction: Transaction): Promise<string[]> {
    await transaction.query(
      `UPDATE sessions SET ended_at = ${ITS_END}, end_reason = CASE WHEN expires_at <= $2 THEN 'expired' ELSE 'idle' END
       WHERE user_id = $1 AND ended_at IS NULL AND ${ITS_END} <= $2`,
      [userId, now],
    );
    const rows = await transaction.query<{ id: string }[]>(
      'SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at, id',
      [userId],
    );
    return rows.map(({ id }) => id);
  }

  /** Adds a session, and that it was in use today. */
  async insert(session: NewSession, transaction: Transaction): Promise<void> {
    await transaction.query(
      `WITH made AS (
         INSERT INTO sessions (id, user_id, kind, secret_hash, method, amr, mfa, authenticated_at, device_id, device,
           address, country, created_at, last_seen_at, idle_seconds, expires_at, alarmed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $12, $8, $9, $10, $11, $12, $12, $13, $14, $15)
       )
       INSERT INTO session_activity (day, session_id, country, user_id, device_id, opened)
       VALUES (date_trunc('day', $12::timestamptz, 'UTC'), $1, coalesce($11, ''), $2, $8, true)`,
      [
        session.id,
        session.userId,
        session.kind,
        session.secretHash,
        session.method,
        session.amr,
        session.mfa,
        session.deviceId,
        session.device,
        session.address,
        session.country,
        session.createdAt,
        session.idleSeconds,
        session.expiresAt,
        session.alarmedAt,
      ],
    );
  }

  /**
   * Ends sessions of one user that nobody has ended yet: those of `ids`, or all but `except`.
   *
   * @returns which.
   */
  async end(
    userId: string,
    which: { readonly ids: readonly string[] } | { readonly except: string | null },
    end: { readonly at: Date; readonly reason: EndReason },
    transaction: Transaction,
  ): Promise<string[]> {
    const [condition, value] = 'ids' in which ? ['id = ANY ($4::text[])', which.ids] : ['id <> $4', which.except ?? ''];
    const [rows] = await transaction.query<[{ id: string }[], number]>(
      `UPDATE sessions SET ended_at = $2, end_reason = $3
       WHERE user_id = $1 AND ended_at IS NULL AND ${condition} RETURNING id`,
      [userId, end.at, end.reason, value],
    );
    return rows.map(({ id }) => id);
  }

  /** Whether the user has, or lately had, this session. */
  async exists(userId: string, sessionId: string, transaction: Transaction): Promise<boolean> {
    const rows = await transaction.query<unknown[]>('SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2', [
      sessionId,
      userId,
    ]);
    return rows.length > 0;
  }

  /**
   * Adds what was proved anew to a live session, and gives one by cookie another secret.
   *
   * @param hashes of the secret that was presented and of the one that takes its place; null: the session is of tokens.
   * @param proof null: nothing was.
   * @returns null when there is no such session, or its secret is no longer the one that was presented.
   */
  async raise(
    session: { readonly userId: string; readonly id: string; readonly now: Date },
    hashes: { readonly before: string; readonly after: string } | null,
    proof: { readonly amr: readonly string[]; readonly mfa: boolean } | null,
    transaction: Transaction,
  ): Promise<RaisedSession | null> {
    const [[row]] = await transaction.query<[RaisedSession[], number]>(
      `UPDATE sessions SET secret_hash = $5,
         amr = amr || ARRAY(SELECT given FROM unnest($6::text[]) AS given WHERE given <> ALL (amr)),
         mfa = mfa OR coalesce($7, false),
         authenticated_at = CASE WHEN $6::text[] IS NULL THEN authenticated_at ELSE $3 END
       WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND ${ITS_END} > $3
         AND kind = CASE WHEN $4::text IS NULL THEN 'token' ELSE 'cookie' END
         AND secret_hash IS NOT DISTINCT FROM $4
       RETURNING authenticated_at AS "authenticatedAt",
         CASE WHEN make_interval(secs => idle_seconds) >= expires_at - created_at
              THEN floor(extract(epoch FROM expires_at - $3))::int END AS "keptSeconds"`,
      [
        session.id,
        session.userId,
        session.now,
        hashes?.before ?? null,
        hashes?.after ?? null,
        proof?.amr ?? null,
        proof?.mfa ?? null,
      ],
    );
    return row ?? null;
  }

  /**
   * Ends sessions whose end has come, up to `limit` of them, of users that nobody holds locked.
   *
   * @returns how many.
   */
  async endExpired(now: Date, limit: number): Promise<number> {
    return this.source.transaction(async (transaction) => {
      const users = await transaction.query<{ id: string }[]>(
        `SELECT id FROM users WHERE id IN (
           SELECT user_id FROM sessions WHERE ended_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2)
         ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`,
        [now, limit],
      );
      const [, count] = await transaction.query<[unknown[], number]>(
        `UPDATE sessions SET ended_at = ${ITS_END},
           end_reason = CASE WHEN ${ITS_END} < expires_at THEN 'idle' ELSE 'expired' END
         WHERE id IN (
           SELECT id FROM sessions WHERE user_id = ANY ($3::text[]) AND ended_at IS NULL AND expires_at <= $1
           ORDER BY expires_at LIMIT $2)`,
        [now, limit, users.map(({ id }) => id)],
      );
      return count;
    });
  }

  /**
   * Removes the rows of sessions that ended before `before`, up to `limit` of them.
   *
   * @returns how many.
   */
  async removeEnded(before: Date, limit: number): Promise<number> {
    const [, count] = await this.source.query<[unknown[], number]>(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at LIMIT $2
         FOR UPDATE SKIP LOCKED)`,
      [before, limit],
    );
    return count;
  }
}
