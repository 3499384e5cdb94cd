import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../../platform/database/transactions.js';

/** Roles that hold the scope `admin`, themselves or through what they inherit from. A cycle made by SQL ends the walk. */
const ADMINISTERING = `
  WITH RECURSIVE administering (role_id) AS (
    SELECT role_id FROM role_permissions WHERE permission = 'admin'
    UNION
    SELECT child.role_id FROM role_parents AS child JOIN administering AS parent ON child.parent_id = parent.role_id
  )`;

/** A role given everywhere, without conditions or end. */
export interface PlainGrant {
  readonly id: string;
  readonly userId: string;
  readonly roleId: string;
  readonly grantedBy: string | null;
  readonly reason: string;
}

/** Who administers everything. Every call rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class AdministratorsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Waits until no other transaction decides on roles, grants or administrators; held until this one ends. */
  async lock(transaction: Transaction): Promise<void> {
    await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('core-nest:access', 0))`);
  }

  async giveRole({ id, userId, roleId, grantedBy, reason }: PlainGrant, transaction: Transaction): Promise<void> {
    await transaction.query(
      `INSERT INTO grants (id, user_id, role_id, effect, scope_type, granted_by, reason)
       VALUES ($1, $2, $3, 'allow', 'all', $4, $5)`,
      [id, userId, roleId, grantedBy, reason],
    );
  }

  /** Active users who may do everything, everywhere, always and without end, and are denied nothing. */
  async count(transaction: Transaction): Promise<number> {
    const [row] = await transaction.query<{ count: number }[]>(`${ADMINISTERING}
      SELECT count(*)::int AS count FROM users
      WHERE status = 'active'
        AND EXISTS (SELECT FROM grants WHERE user_id = users.id AND effect = 'allow' AND scope_type = 'all'
                    AND conditions IS NULL AND (expires_at IS NULL OR expires_at = 'infinity')
                    AND role_id IN (SELECT role_id FROM administering))
        AND NOT EXISTS (SELECT FROM grants WHERE user_id = users.id AND effect = 'deny'
                        AND (expires_at IS NULL OR expires_at > now()))`);
    return row?.count ?? 0;
  }

  /** Whether a user is given everything, be it for a time or under conditions. */
  async isAdministrator(userId: string, transaction: Transaction = this.source.manager): Promise<boolean> {
    const [row] = await transaction.query<{ administers: boolean }[]>(
      `${ADMINISTERING}
       SELECT EXISTS (SELECT FROM grants WHERE user_id = $1 AND effect = 'allow'
                      AND (expires_at IS NULL OR expires_at > now())
                      AND role_id IN (SELECT role_id FROM administering)) AS administers`,
      [userId],
    );
    return row?.administers === true;
  }
}
