import { Injectable } from '@nestjs/common';
import { ReadDatabase } from '../../../platform/database/read-database.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import type { ApiLogRollupDto } from './api-log-rollups.dto.js';

const CONDITIONS: Readonly<Record<string, string>> = {
  client_id: 'client_id =',
  from: 'hour >=',
  to: 'hour <',
};

const COLUMNS = `to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS hour, nullif(client_id, '') AS client_id,
  requests, refused, rate_limited, failed, caller_left, input_tokens::float8, output_tokens::float8, bytes_in::float8,
  bytes_out::float8, latency_ms_sum, latency_ms_max`;

/** The requests of one client on one day (UTC). */
export interface ApiLogDay {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  readonly requests: number;
  /** Answered 4xx or 5xx. Not those of callers that left. */
  readonly errors: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Reads the hours, from the read replica where there is one; never the log itself. */
@Injectable()
export class ApiLogRollupsRepository {
  constructor(private readonly database: ReadDatabase) {}

  /** The rows of a page, and one more when there are more. Rejects when PostgreSQL is away. */
  list({ filters, after, descending, limit }: ListQuery<'hour'>): Promise<ApiLogRollupDto[]> {
    const values: unknown[] = [];
    const place = (value: unknown) => `$${values.push(value)}`;
    const conditions = Object.entries(filters).map(([name, value]) => `${CONDITIONS[name]} ${place(value)}`);
    if (after !== null)
      conditions.push(
        `(api_log_rollups.hour, api_log_rollups.client_id) ${descending ? '<' : '>'} (${place(after[0])}::timestamptz, ${place(after[1])}::text)`,
      );
    const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
    const direction = descending ? 'DESC' : 'ASC';
    const sql = `SELECT ${COLUMNS} FROM api_log_rollups ${where}
       ORDER BY api_log_rollups.hour ${direction}, api_log_rollups.client_id ${direction} LIMIT ${place(limit + 1)}`;
    return this.database.run((source) => source.query(sql, values));
  }

  /** The days of a client that have requests, of the hours from `from` to before `to`; the earliest first. */
  days(clientId: string, from: Date, to: Date): Promise<ApiLogDay[]> {
    return this.database.run((source) =>
      source.query(
        `SELECT to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, sum(requests)::float8 AS requests,
                sum(refused + rate_limited + failed)::float8 AS errors,
                sum(input_tokens)::float8 AS "inputTokens", sum(output_tokens)::float8 AS "outputTokens"
         FROM api_log_rollups WHERE client_id = $1 AND hour >= $2 AND hour < $3 GROUP BY 1 ORDER BY 1`,
        [clientId, from, to],
      ),
    );
  }
}
