import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ServiceUnavailableError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { Settings } from '../../platform/config/settings.js';
import { ReadDatabase } from '../../platform/database/read-database.js';
import type { ListQuery } from '../../platform/http/list-query.js';
import type { ApiLogDto } from './api-log.dto.js';
import { type SearchWindow, SearchWindows } from './search-windows.js';

/** What a window's search may take, and what narrower ones may when it took longer. */
const WINDOW_TIMEOUTS_MS = [18, 150, 2_000];
/** A search that has taken this long and read so many rows begins no further window: the page ends where it stands. */
const SEARCH_MS = 18;
const SEARCH_ROWS = 10_000;
/** So does one that has taken this long, however little it read: PostgreSQL is slow. */
const SLOW_SEARCH_MS = 1_000;
const DAY_MS = 86_400_000;
const QUERY_CANCELED = '57014';
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** How each filter narrows the rows; the hashes are what the indexes hold. */
const CONDITIONS: Readonly<Record<string, (value: string) => string>> = {
  created_after: (value) => `created_at > ${value}`,
  created_before: (value) => `created_at < ${value}`,
  status: (value) => `status = ${value}`,
  method: (value) => `method = ${value}`,
  client_id: (value) => `hashtext(client_id) = hashtext(${value}) AND client_id = ${value}`,
  user_id: (value) => `hashtext(user_id) = hashtext(${value}) AND user_id = ${value}`,
  client_address: (value) => `client_address = ${value}`,
  auth_method: (value) => `auth_method = ${value}`,
  caller_kind: (value) => `caller_kind = ${value}`,
  provider: (value) => `provider = ${value}`,
  model: (value) => `model = ${value}`,
  request_id: (value) => `hashtext(request_id) = hashtext(${value}) AND request_id = ${value}`,
  error_code: (value) => `error_code = ${value}`,
};

const COLUMNS = `id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at, request_id,
  method, route, status, latency_ms, bytes_in::float8, bytes_out::float8, auth_method, client_id, client_address,
  caller_kind, provider, model, stream, input_tokens, output_tokens, error_code, user_id`;

/** Rows of the log, and entries of its indexes, that the transaction has read so far, shown or not. */
const ROWS_READ = `
  WITH partitions AS (SELECT inhrelid AS id FROM pg_inherits WHERE inhparent = 'api_logs'::regclass)
  SELECT sum(pg_stat_get_xact_tuples_returned(id))::float8 AS rows
  FROM (SELECT id FROM partitions UNION ALL SELECT indexrelid FROM pg_index JOIN partitions ON indrelid = id) AS read`;

type ApiLogQuery = ListQuery<'created_at'>;

/** What a search found, and how far it came. */
export interface ApiLogRows {
  /** The rows of a page, and one more when there are more. */
  readonly rows: ApiLogDto[];
  /** The position up to which all rows were looked at, when the search ended before the last of them; else null. */
  readonly reached: readonly [time: string, id: string] | null;
}

/** Reads the API log, from the read replica where there is one. */
@Injectable()
export class ApiLogRepository {
  constructor(
    private readonly database: ReadDatabase,
    private readonly settings: Settings,
    private readonly clock: Clock,
  ) {}

  /**
   * The rows of a page. A search for what is rare, by filters that no index serves, stops after some 20 milliseconds
   * with what it has, and says how far it came.
   *
   * @throws ServiceUnavailableError when even a small part of it takes more than two seconds. What says that PostgreSQL
   * is away is passed on.
   */
  list(query: ApiLogQuery): Promise<ApiLogRows> {
    // All of it, so that a search which a replica broke off begins anew on the primary.
    return this.database.run((source) => this.#search(source, query));
  }

  async #search(source: DataSource, query: ApiLogQuery): Promise<ApiLogRows> {
    const search: Search = {
      windows: searchWindows(query, this.clock.now(), this.settings.API_LOG_RETENTION_DAYS),
      rows: [],
      started: performance.now(),
    };
    for (const timeout of WINDOW_TIMEOUTS_MS)
      try {
        return await source.transaction((manager) => goOn(manager, query, search, timeout));
      } catch (error) {
        if (!(error instanceof Error && Reflect.get(error, 'code') === QUERY_CANCELED)) throw error;
        search.windows.retreat();
      }
    throw new ServiceUnavailableError(
      'The search took too long. Narrow it: by created_after and created_before, or by client_id.',
    );
  }
}

interface Search {
  readonly windows: SearchWindows;
  readonly rows: ApiLogDto[];
  readonly started: number;
}

/** Searches window after window, each for `timeout` milliseconds at most, until the page is full or the time is up. */
async function goOn(
  manager: EntityManager,
  query: ApiLogQuery,
  { windows, rows, started }: Search,
  timeout: number,
): Promise<ApiLogRows> {
  await manager.query(`SET LOCAL statement_timeout = ${timeout}; SET LOCAL max_parallel_workers_per_gather = 0`);
  for (let now = performance.now(); ; ) {
    const { sql, values } = listStatement(query, windows.next(), query.limit + 1 - rows.length);
    rows.push(...(await manager.query(sql, values)));
    if (rows.length > query.limit || windows.done) return { rows, reached: null };
    const asked = now;
    now = performance.now();
    if (now - started > SEARCH_MS && (now - started > SLOW_SEARCH_MS || (await hasReadMany(manager))))
      return { rows, reached: [microseconds(windows.edge), query.descending ? FIRST_ID : LAST_ID] };
    windows.took(now - asked);
  }
}

async function hasReadMany(manager: EntityManager): Promise<boolean> {
  const [{ rows }] = await manager.query(ROWS_READ);
  return rows > SEARCH_ROWS;
}

/** From where a page begins to where its rows end, by its filters or by what is kept at all. */
function searchWindows(query: ApiLogQuery, now: number, retentionDays: number): SearchWindows {
  const { descending, filters, after } = query;
  const begin = Math.max(now - (retentionDays + 2) * DAY_MS, Number(filters.created_after ?? 0));
  const end = Math.min(now, Number(filters.created_before ?? now));
  if (descending) return new SearchWindows(true, after ? Math.min(end, Date.parse(after[0])) : end, begin);
  return new SearchWindows(false, after ? Math.max(begin, Date.parse(after[0])) : begin, end);
}

/** The statement of a page's rows within a window: by position, so that its cost does not grow with the pages before. */
export function listStatement(
  query: ApiLogQuery,
  window: SearchWindow,
  limit: number,
): { sql: string; values: unknown[] } {
  const values: unknown[] = [];
  const place = (value: unknown) => `$${values.push(value)}`;
  const conditions = Object.entries(query.filters).map(([name, value]) => CONDITIONS[name]?.(place(value)));
  const { descending } = query;
  const { from, to } = window;
  if (from !== null) conditions.push(`created_at ${descending ? '>=' : '>'} ${place(microseconds(from))}::timestamptz`);
  if (to !== null) conditions.push(`created_at ${descending ? '<' : '<='} ${place(microseconds(to))}::timestamptz`);
  if (query.after !== null) {
    const [time, id] = query.after;
    const position = place(time);
    const beyond = descending ? '<' : '>';
    // The first condition says nothing new, but it is the one that spares the partitions before the position.
    conditions.push(`created_at ${beyond}= ${position}::timestamptz`);
    conditions.push(`(created_at, id) ${beyond} (${position}::timestamptz, ${place(id)}::uuid)`);
  }
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const direction = descending ? 'DESC' : 'ASC';
  return {
    sql: `SELECT ${COLUMNS} FROM api_logs ${where}
      ORDER BY api_logs.created_at ${direction}, id ${direction} LIMIT ${place(limit)}`,
    values,
  };
}

/** A time as cursors carry it: RFC 3339, UTC, to the microsecond. */
function microseconds(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
