import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Grant } from '../../../kernel/grant.js';
import type { Transaction } from '../../../platform/database/transactions.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import { GrantEntity } from './grant.entity.js';

export type GrantSortKey = 'created_at';
export type StoredGrant = Readonly<GrantEntity>;
export type GrantToInsert = Omit<StoredGrant, 'role' | 'createdAt'>;
export type GrantChanges = Partial<Pick<StoredGrant, 'conditions' | 'expiresAt' | 'reason'>>;

const FILTERS: Readonly<Record<string, string>> = {
  effect: 'entry.effect = :effect',
  role_id: 'entry.role_id = :role_id',
  scope: 'entry.scope_type = :scope',
  expires_before: 'entry.expires_at < :expires_before',
};

/** The grants of users in PostgreSQL. Every call rejects with the driver's error when it is away. */
@Injectable()
export class GrantsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The grants of a page and one more, if there is one. */
  list(userId: string, query: ListQuery<GrantSortKey>): Promise<StoredGrant[]> {
    const direction = query.descending ? 'DESC' : 'ASC';
    const rows = this.source.manager
      .createQueryBuilder(GrantEntity, 'entry')
      .where('entry.user_id = :userId', { userId })
      .orderBy('entry.createdAt', direction)
      .addOrderBy('entry.id', direction)
      .limit(query.limit + 1);
    for (const [name, value] of Object.entries(query.filters)) {
      const condition = FILTERS[name];
      if (condition === undefined) throw new Error('A filter of the list has no column.');
      rows.andWhere(condition, { [name]: value });
    }
    if (query.after !== null) {
      const [value, id] = query.after;
      rows.andWhere(`(entry.created_at, entry.id) ${query.descending ? '<' : '>'} (:afterValue, :afterId)`, {
        afterValue: value,
        afterId: id,
      });
    }
    return rows.getMany();
  }

  /** A grant of this very user. */
  find(userId: string, id: string, transaction: Transaction = this.source.manager): Promise<StoredGrant | null> {
    return transaction.findOneBy(GrantEntity, { id, userId });
  }

  async insert(grant: GrantToInsert, transaction: Transaction): Promise<void> {
    await transaction.insert(GrantEntity, grant);
  }

  async update(id: string, changes: GrantChanges, transaction: Transaction): Promise<void> {
    await transaction.update(GrantEntity, { id }, changes);
  }

  async remove(id: string, transaction: Transaction): Promise<void> {
    await transaction.delete(GrantEntity, { id });
  }

  /** How many grants a user has, and how many of them under conditions; null when there is no such user. */
  async count(userId: string, transaction: Transaction): Promise<{ all: number; conditional: number } | null> {
    const [row] = await transaction.query<{ all: number; conditional: number }[]>(
      `SELECT count(entry.id)::int AS all, count(entry.conditions)::int AS conditional
       FROM users LEFT JOIN grants AS entry ON entry.user_id = users.id WHERE users.id = $1 GROUP BY users.id`,
      [userId],
    );
    return row ?? null;
  }

  /** The roles a user is given by grants that have not ended, whatever their scope and conditions. */
  async rolesGiven(userId: string, transaction: Transaction): Promise<string[]> {
    const rows = await transaction.query<{ role_id: string }[]>(
      `SELECT DISTINCT role_id FROM grants
       WHERE user_id = $1 AND effect = 'allow' AND (expires_at IS NULL OR expires_at > now())`,
      [userId],
    );
    return rows.map(({ role_id }) => role_id);
  }

  async userExists(userId: string): Promise<boolean> {
    const rows = await this.source.query('SELECT FROM users WHERE id = $1', [userId]);
    return rows.length > 0;
  }
}

/** A stored grant as decisions take it. */
export function toGrant({ id, roleId, effect, conditions, expiresAt, ...row }: StoredGrant): Grant {
  return { id, roleId, effect, scope: scopeOf(row), conditions, expiresAt: expiresAt?.getTime() ?? null };
}

function scopeOf({ scopeType, scopeResource, scopeId }: Pick<StoredGrant, 'scopeType' | 'scopeResource' | 'scopeId'>) {
  if (scopeType === 'client') return { type: 'client', id: scopeId ?? '' } as const;
  if (scopeType === 'resource') return { type: 'resource', resource: scopeResource ?? '', id: scopeId ?? '' } as const;
  return { type: 'all' } as const;
}
