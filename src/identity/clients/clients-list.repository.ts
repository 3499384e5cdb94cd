import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { ServiceUnavailableError } from '../../kernel/app-error.js';
import { ReadDatabase } from '../../platform/database/read-database.js';
import type { ListQuery } from '../../platform/http/list-query.js';
import { ClientEntity } from './client.entity.js';
import { type Client, withSecrets } from './client-rows.repository.js';

export type ClientSortKey = 'created_at' | 'name';

/** The clients that somebody may see at all. */
export interface VisibleClients {
  /** All but those in `except`; otherwise those in `ids` and those of `ownerId`. */
  readonly all: boolean;
  readonly ids: readonly string[];
  readonly ownerId: string | null;
  readonly except: readonly string[];
}

export const ALL_CLIENTS: VisibleClients = { all: true, ids: [], ownerId: null, except: [] };

const QUERY_CANCELED = '57014';
const ID_PREFIX = /^cn_(?:live|test)_[0-9A-Za-z]{0,12}$/;

const SORT_COLUMNS = { created_at: 'client.created_at', name: 'client.name' } as const;

/** Case does not count in names, as far as the database's own collation knows of case. */
const NAME_HOLDS = 'lower(client.name COLLATE "default") LIKE lower(:search)';

/** How each filter narrows the rows. */
const FILTERS: Readonly<Record<string, string>> = {
  status: 'client.status = :status',
  tier: 'client.tier = :tier',
  environment: 'client.environment = :environment',
  owner_id: 'client.owner_id = :owner_id',
  name: 'client.name = :name',
  created_after: 'client.created_at > :created_after',
  created_before: 'client.created_at < :created_before',
  // What has ended already is no longer expiring.
  expiring_before: 'client.ends_at > now() AND client.ends_at < :expiring_before',
  // The client's own time is right to an hour and finds the rows; that of its secrets, asked row by row, decides.
  unused_since: `(client.last_used_at IS NULL OR client.last_used_at < :unused_since)
    AND coalesce((SELECT max(secret.last_used_at) FROM client_secrets AS secret
                  WHERE secret.client_id = client.client_id), '-infinity') < :unused_since`,
};

/** Lists of clients, of a million of them too: a page is found by an index whatever it is narrowed by. */
@Injectable()
export class ClientsListRepository {
  constructor(private readonly database: ReadDatabase) {}

  /**
   * The clients of a page and one more, if there is one; from the read replica where there is one.
   *
   * @throws ServiceUnavailableError when it takes more than the two or three seconds a statement may. What says that
   *   PostgreSQL is away is passed on.
   */
  async list(query: ListQuery<ClientSortKey>, visible: VisibleClients = ALL_CLIENTS): Promise<Client[]> {
    try {
      return await this.database.run(async ({ manager }) => {
        const rows = select(manager.createQueryBuilder(ClientEntity, 'client'), query);
        narrow(rows, visible);
        return withSecrets(manager, await rows.getMany());
      });
    } catch (error) {
      if (error instanceof Error && Reflect.get(error, 'code') === QUERY_CANCELED)
        throw new ServiceUnavailableError(
          'The search took too long. Narrow it, or search for three characters or more.',
        );
      throw error;
    }
  }
}

function select(
  rows: SelectQueryBuilder<ClientEntity>,
  { sort, descending, limit, after, filters }: ListQuery<ClientSortKey>,
): SelectQueryBuilder<ClientEntity> {
  const direction = descending ? 'DESC' : 'ASC';
  rows
    .orderBy(sort === 'name' ? 'client.name' : 'client.createdAt', direction)
    .addOrderBy('client.clientId', direction)
    .limit(limit + 1);
  for (const [name, value] of Object.entries(filters)) {
    if (name === 'search') search(rows, String(value));
    else rows.andWhere(conditionOf(name), { [name]: value });
  }
  if (after !== null) {
    const [afterValue, afterId] = after;
    rows.andWhere(`(${SORT_COLUMNS[sort]}, client.client_id) ${descending ? '<' : '>'} (:afterValue, :afterId)`, {
      afterValue,
      afterId,
    });
  }
  return rows;
}

function narrow(rows: SelectQueryBuilder<ClientEntity>, { all, ids, ownerId, except }: VisibleClients): void {
  if (!all) {
    // One condition alone is found by its index.
    const conditions: string[] = [];
    if (ids.length > 0 || ownerId === null) conditions.push('client.client_id = ANY (:visibleIds)');
    if (ownerId !== null) conditions.push('client.owner_id = :visibleOwner');
    rows.andWhere(`(${conditions.join(' OR ')})`, { visibleIds: ids, visibleOwner: ownerId });
  }
  if (except.length > 0) rows.andWhere('client.client_id <> ALL (:hiddenIds)', { hiddenIds: except });
}

/** A part of the name, or the beginning of the id: what cannot be that is not looked for there. */
function search(rows: SelectQueryBuilder<ClientEntity>, text: string): void {
  const literal = text.replace(/[\\%_]/g, '\\$&');
  if (isIdPrefix(text))
    rows.andWhere(`(${NAME_HOLDS} OR client.client_id LIKE :idPrefix)`, {
      search: `%${literal}%`,
      idPrefix: `${literal}%`,
    });
  else rows.andWhere(NAME_HOLDS, { search: `%${literal}%` });
}

function isIdPrefix(text: string): boolean {
  return 'cn_live_'.startsWith(text) || 'cn_test_'.startsWith(text) || ID_PREFIX.test(text);
}

function conditionOf(name: string): string {
  const condition = FILTERS[name];
  if (condition === undefined) throw new Error('A filter of the list has no column.');
  return condition;
}
