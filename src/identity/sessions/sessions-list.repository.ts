import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import type { ListQuery } from '../../platform/http/list-query.js';
import { SessionEntity } from './session.entity.js';

export type SessionSortKey = 'created_at' | 'last_seen_at';

const SORT_COLUMNS = { created_at: 'session.created_at', last_seen_at: 'session.last_seen_at' } as const;
const SORT_FIELDS = { created_at: 'session.createdAt', last_seen_at: 'session.lastSeenAt' } as const;

const LIVE = `session.ended_at IS NULL AND session.expires_at > :now
  AND session.last_seen_at + make_interval(secs => session.idle_seconds) > :now`;

/** How each filter narrows the rows. */
const FILTERS: Readonly<Record<string, string>> = {
  kind: 'session.kind = :kind',
  country: 'session.country = :country',
  created_after: 'session.created_at > :created_after',
  created_before: 'session.created_at < :created_before',
};

/** The sessions of one user. */
@Injectable()
export class SessionsListRepository {
  constructor(@InjectRepository(SessionEntity) private readonly rows: Repository<SessionEntity>) {}

  /** The sessions of a page and one more, if there is one; live ones unless others are asked for. */
  list(userId: string, query: ListQuery<SessionSortKey>, now: Date): Promise<SessionEntity[]> {
    const { sort, descending, limit, after } = query;
    const { status = 'active', ...filters } = query.filters;
    const direction = descending ? 'DESC' : 'ASC';
    const rows = this.rows
      .createQueryBuilder('session')
      .where('session.user_id = :userId', { userId })
      .andWhere(status === 'active' ? LIVE : `NOT (${LIVE})`, { now })
      .orderBy(SORT_FIELDS[sort], direction)
      .addOrderBy('session.id', direction)
      .limit(limit + 1);
    for (const [name, value] of Object.entries(filters)) rows.andWhere(FILTERS[name] ?? 'false', { [name]: value });
    if (after !== null)
      rows.andWhere(`(${SORT_COLUMNS[sort]}, session.id) ${descending ? '<' : '>'} (:afterValue, :afterId)`, {
        afterValue: after[0],
        afterId: after[1],
      });
    return rows.getMany();
  }
}
