import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../../platform/database/transactions.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import { RoleEntity } from './role.entity.js';
import type { RoleNode } from './role-graph.js';

export type RoleSortKey = 'created_at' | 'name';

/** A role as PostgreSQL has it. */
export interface Role extends RoleNode {
  readonly description: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export type RoleContent = Pick<Role, 'name' | 'description' | 'permissions' | 'parents'>;

const SORT_COLUMNS = { created_at: 'role.created_at', name: 'role.name' } as const;
const FILTERS: Readonly<Record<string, string>> = {
  name: 'role.name = :name',
  builtin: 'role.builtin = (:builtin)::boolean',
  permission:
    'EXISTS (SELECT FROM role_permissions AS own WHERE own.role_id = role.id AND own.permission = :permission)',
  parent_id: 'EXISTS (SELECT FROM role_parents AS link WHERE link.role_id = role.id AND link.parent_id = :parent_id)',
};

/** Roles in PostgreSQL. Triggers announce their changes. Every call rejects with the driver's error when it is away. */
@Injectable()
export class RolesRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** The roles of a page and one more, if there is one. */
  async list(query: ListQuery<RoleSortKey>): Promise<Role[]> {
    const direction = query.descending ? 'DESC' : 'ASC';
    const rows = this.source.manager
      .createQueryBuilder(RoleEntity, 'role')
      .orderBy(query.sort === 'name' ? 'role.name' : 'role.createdAt', direction)
      .addOrderBy('role.id', direction)
      .limit(query.limit + 1);
    for (const [name, value] of Object.entries(query.filters)) {
      const condition = FILTERS[name];
      if (condition === undefined) throw new Error('A filter of the list has no column.');
      rows.andWhere(condition, { [name]: value });
    }
    if (query.after !== null) {
      const [value, id] = query.after;
      rows.andWhere(`(${SORT_COLUMNS[query.sort]}, role.id) ${query.descending ? '<' : '>'} (:afterValue, :afterId)`, {
        afterValue: value,
        afterId: id,
      });
    }
    return withContent(this.source.manager, await rows.getMany());
  }

  async find(id: string, transaction: Transaction = this.source.manager): Promise<Role | null> {
    const row = await transaction.findOneBy(RoleEntity, { id });
    const [role] = row === null ? [] : await withContent(transaction, [row]);
    return role ?? null;
  }

  async insert(id: string, { name, description, permissions, parents }: RoleContent, transaction: Transaction) {
    await transaction.insert(RoleEntity, { id, name, description });
    await setContent(transaction, id, permissions, parents);
  }

  /** Sets all of it anew. */
  async update(id: string, { name, description, permissions, parents }: RoleContent, transaction: Transaction) {
    await transaction.update(RoleEntity, { id }, { name, description, updatedAt: () => 'now()' });
    await transaction.query('DELETE FROM role_permissions WHERE role_id = $1', [id]);
    await transaction.query('DELETE FROM role_parents WHERE role_id = $1', [id]);
    await setContent(transaction, id, permissions, parents);
  }

  async remove(id: string, transaction: Transaction): Promise<void> {
    await transaction.delete(RoleEntity, { id });
  }

  /** How many grants, or those of one effect, name one of the roles, ended ones too: they keep it from being deleted. */
  async countGrants(
    ids: readonly string[],
    transaction: Transaction,
    effect: 'allow' | 'deny' | null = null,
  ): Promise<number> {
    const [row] = await transaction.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM grants WHERE role_id = ANY ($1) AND effect = coalesce($2, effect)',
      [ids, effect],
    );
    return row?.count ?? 0;
  }

  /** What this transaction announced of roles and permissions. */
  async announced(transaction: Transaction): Promise<readonly string[]> {
    const rows = await transaction.query<{ id: string }[]>(
      `SELECT id::text FROM changes WHERE created_at = now()::timestamptz(3) AND topic = 'roles'`,
    );
    return rows.map(({ id }) => id);
  }
}

async function setContent(
  transaction: Transaction,
  id: string,
  permissions: readonly string[],
  parents: readonly string[],
): Promise<void> {
  await transaction.query('INSERT INTO role_permissions (role_id, permission) SELECT $1, unnest($2::text[])', [
    id,
    permissions,
  ]);
  await transaction.query('INSERT INTO role_parents (role_id, parent_id) SELECT $1, unnest($2::text[])', [id, parents]);
}

async function withContent(transaction: Transaction, rows: readonly RoleEntity[]): Promise<Role[]> {
  const found = await transaction.query<{ id: string; permissions: string[]; parents: string[] }[]>(
    `SELECT role.id,
       ARRAY(SELECT permission FROM role_permissions WHERE role_id = role.id ORDER BY permission) AS permissions,
       ARRAY(SELECT parent_id FROM role_parents WHERE role_id = role.id ORDER BY parent_id) AS parents
     FROM unnest($1::text[]) AS role (id)`,
    [rows.map(({ id }) => id)],
  );
  const contents = new Map(found.map(({ id, permissions, parents }) => [id, { permissions, parents }]));
  return rows.map((row) => ({ ...row, permissions: [], parents: [], ...contents.get(row.id) }));
}
