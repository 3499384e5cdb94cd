import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ServiceUnavailableError } from '../../kernel/app-error.js';
import type { ListQuery } from '../../platform/http/list-query.js';
import type { ApiLogDto } from './api-log.dto.js';

const STATEMENT_TIMEOUT_MS = 2_000;
const QUERY_CANCELED = '57014';

/** How each filter narrows the rows. */
const CONDITIONS: Readonly<Record<string, string>> = {
  created_after: 'created_at >',
  created_before: 'created_at <',
  status: 'status =',
  method: 'method =',
  client_id: 'client_id =',
  client_address: 'client_address =',
  auth_method: 'auth_method =',
  caller_kind: 'caller_kind =',
  provider: 'provider =',
  model: 'model =',
  request_id: 'request_id =',
  error_code: 'error_code =',
};

const COLUMNS = `id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at, request_id,
  method, route, status, latency_ms, bytes_in::float8, bytes_out::float8, auth_method, client_id, client_address,
  caller_kind, provider, model, stream, input_tokens, output_tokens, error_code`;

/** Reads the API log. */
@Injectable()
export class ApiLogRepository {
  constructor(private readonly database: DataSource) {}

  /**
   * The rows of a page, and one more when there are more.
   *
   * @throws ServiceUnavailableError when it takes more than two seconds: filters that match few rows make PostgreSQL
   * read many. What says that PostgreSQL is away is passed on.
   */
  async list(query: ListQuery<'created_at'>): Promise<ApiLogDto[]> {
    const { sql, values } = listStatement(query);
    try {
      return await this.database.transaction(async (manager) => {
        await manager.query(`SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`);
        return manager.query(sql, values);
      });
    } catch (error) {
      if (error instanceof Error && Reflect.get(error, 'code') === QUERY_CANCELED)
        throw new ServiceUnavailableError(
          'The search took too long. Narrow it: by created_after and created_before, or by client_id.',
        );
      throw error;
    }
  }
}

/** The statement of a page: by position, never by offset, so that its cost does not grow with the pages before. */
export function listStatement(query: ListQuery<'created_at'>): { sql: string; values: unknown[] } {
  const values: unknown[] = [];
  const place = (value: unknown) => `$${values.push(value)}`;
  const conditions = Object.entries(query.filters).map(([name, value]) => `${CONDITIONS[name]} ${place(value)}`);
  const direction = query.descending ? 'DESC' : 'ASC';
  if (query.after !== null) {
    const [time, id] = query.after;
    const position = place(time);
    const beyond = query.descending ? '<' : '>';
    // The first condition says nothing new, but it is the one that spares the partitions before the position.
    conditions.push(`created_at ${beyond}= ${position}::timestamptz`);
    conditions.push(`(created_at, id) ${beyond} (${position}::timestamptz, ${place(id)}::uuid)`);
  }
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  return {
    sql: `SELECT ${COLUMNS} FROM api_logs ${where}
      ORDER BY api_logs.created_at ${direction}, id ${direction} LIMIT ${place(query.limit + 1)}`,
    values,
  };
}
