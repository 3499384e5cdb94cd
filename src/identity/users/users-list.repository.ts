import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { ReadDatabase } from '../../platform/database/read-database.js';
import type { ListQuery } from '../../platform/http/list-query.js';
import { UserEntity } from './user.entity.js';
import type { User } from './users.repository.js';

export type UserSortKey = 'created_at' | 'name' | 'email';

const SORT_FIELDS = { created_at: 'person.createdAt', name: 'person.name', email: 'person.emailKey' } as const;
const SORT_COLUMNS = { created_at: 'person.created_at', name: 'person.name', email: 'person.email_key' } as const;

/** How each filter narrows the rows. */
const FILTERS: Readonly<Record<string, string>> = {
  status: 'person.status = :status',
  email: 'person.email_key = :email',
  name: 'person.name = :name',
  tier: 'person.tier = :tier',
  created_after: 'person.created_at > :created_after',
  created_before: 'person.created_at < :created_before',
  // By the name of a role that was granted to them, for whatever and under whatever conditions.
  role: `EXISTS (SELECT FROM grants JOIN roles ON roles.id = grants.role_id
                 WHERE grants.user_id = person.id AND roles.name = :role AND grants.effect = 'allow'
                   AND (grants.expires_at IS NULL OR grants.expires_at > now()))`,
};

/** The users that a caller may see: all but those in `except`, or otherwise those in `ids`. */
export interface VisibleUsers {
  readonly all: boolean;
  readonly ids: readonly string[];
  readonly except: readonly string[];
}

/** Lists of users. */
@Injectable()
export class UsersListRepository {
  constructor(private readonly database: ReadDatabase) {}

  /** The users of a page and one more, if there is one; from the read replica where there is one. */
  list(query: ListQuery<UserSortKey>, { all, ids, except }: VisibleUsers): Promise<User[]> {
    return this.database.run(({ manager }) => {
      const rows = select(manager.createQueryBuilder(UserEntity, 'person'), query);
      if (!all) rows.andWhere('person.id = ANY (:visibleIds)', { visibleIds: ids });
      if (except.length > 0) rows.andWhere('person.id <> ALL (:hiddenIds)', { hiddenIds: except });
      return rows.getMany();
    });
  }
}

function select(
  rows: SelectQueryBuilder<UserEntity>,
  { sort, descending, limit, after, filters }: ListQuery<UserSortKey>,
): SelectQueryBuilder<UserEntity> {
  const direction = descending ? 'DESC' : 'ASC';
  rows
    .orderBy(SORT_FIELDS[sort], direction)
    .addOrderBy('person.id', direction)
    .limit(limit + 1);
  for (const [name, value] of Object.entries(filters)) rows.andWhere(conditionOf(name), { [name]: value });
  if (after !== null) {
    const [afterValue, afterId] = after;
    rows.andWhere(`(${SORT_COLUMNS[sort]}, person.id) ${descending ? '<' : '>'} (:afterValue, :afterId)`, {
      afterValue,
      afterId,
    });
  }
  return rows;
}

function conditionOf(name: string): string {
  const condition = FILTERS[name];
  if (condition === undefined) throw new Error('A filter of the list has no column.');
  return condition;
}
