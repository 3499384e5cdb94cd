import { Injectable } from '@nestjs/common';
import { Settings } from '../../../platform/config/settings.js';
import { OwnConnection } from '../../../platform/database/own-connection.js';

/** Longer than an hour of the busiest installation takes; other statements of ours may take three seconds. */
const DEADLINE_MS = 60_000;

/**
 * One pass over an hour. What an hour amounts to replaces what it amounted to before, so that it may be done any number
 * of times; rows are only ever added to the log, so that an equal number of them is the same rows.
 */
const AGGREGATE = `
  WITH amounts AS MATERIALIZED (
    SELECT grouping(process) = 0 AS of_process, process, coalesce(client_id, '') AS client_id, count(*)::int AS requests,
           (count(*) FILTER (WHERE status BETWEEN 400 AND 498 AND status <> 429))::int AS refused,
           (count(*) FILTER (WHERE status = 429))::int AS rate_limited,
           (count(*) FILTER (WHERE status >= 500))::int AS failed,
           (count(*) FILTER (WHERE status = 499))::int AS caller_left,
           coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
           coalesce(sum(bytes_in), 0) AS bytes_in, coalesce(sum(bytes_out), 0) AS bytes_out,
           sum(latency_ms::float8) AS latency_ms_sum, max(latency_ms) AS latency_ms_max, max(sequence) AS last_sequence
    FROM api_logs WHERE created_at >= $1::timestamptz AND created_at < $1::timestamptz + interval '1 hour'
    GROUP BY GROUPING SETS ((client_id), (process))
  ), by_client AS (
    INSERT INTO api_log_rollups AS earlier
      (hour, client_id, requests, refused, rate_limited, failed, caller_left, input_tokens, output_tokens, bytes_in,
       bytes_out, latency_ms_sum, latency_ms_max)
    SELECT $1, client_id, requests, refused, rate_limited, failed, caller_left, input_tokens, output_tokens, bytes_in,
           bytes_out, latency_ms_sum, latency_ms_max
    FROM amounts WHERE NOT of_process
    ON CONFLICT (hour, client_id) DO UPDATE SET
      requests = EXCLUDED.requests, refused = EXCLUDED.refused, rate_limited = EXCLUDED.rate_limited,
      failed = EXCLUDED.failed, caller_left = EXCLUDED.caller_left, input_tokens = EXCLUDED.input_tokens,
      output_tokens = EXCLUDED.output_tokens, bytes_in = EXCLUDED.bytes_in, bytes_out = EXCLUDED.bytes_out,
      latency_ms_sum = EXCLUDED.latency_ms_sum, latency_ms_max = EXCLUDED.latency_ms_max
    WHERE earlier.requests <> EXCLUDED.requests
  )
  INSERT INTO api_log_sequences AS earlier (process, hour, rows, last_sequence)
  SELECT process, $1, requests, last_sequence FROM amounts WHERE of_process AND process IS NOT NULL
  ON CONFLICT (process, hour) DO UPDATE SET rows = EXCLUDED.rows, last_sequence = EXCLUDED.last_sequence
  WHERE earlier.rows <> EXCLUDED.rows`;

/** Makes the hours from the log, on a connection of its own, because it reads long. */
@Injectable()
export class ApiLogAggregationRepository {
  readonly #connection: OwnConnection;

  constructor(settings: Settings) {
    this.#connection = new OwnConnection(settings.DATABASE_URL);
  }

  /**
   * Makes this hour anew, whole or not at all; two that do it at the same time take turns. Rejects when PostgreSQL is
   * away or it takes longer than a minute.
   */
  async aggregate(hour: Date): Promise<void> {
    await this.#connection.use(DEADLINE_MS, async (client) => {
      await client.query('BEGIN');
      try {
        await client.query(`SET LOCAL statement_timeout = ${DEADLINE_MS}`);
        await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('core-nest:api-log-aggregation:hour', 0))`);
        await client.query(AGGREGATE, [hour]);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    });
  }

  /** The last hour that was made, or else the hour of the oldest row; null: there is nothing yet. */
  async lastHour(): Promise<Date | null> {
    const [row] = await this.#rows<{ hour: Date | null }>(`
      SELECT coalesce((SELECT max(hour) FROM api_log_rollups),
                      date_trunc('hour', (SELECT min(created_at) FROM api_logs), 'UTC')) AS hour`);
    return row?.hour ?? null;
  }

  /** Rows that processes numbered and that are not in the log, of processes that had two minutes to write them. */
  async missingRows(): Promise<number> {
    const [row] = await this.#rows<{ missing: number }>(`
      SELECT coalesce(sum(missing), 0)::float8 AS missing FROM api_log_gaps
      WHERE marked_at < now() - interval '2 minutes'`);
    return row?.missing ?? 0;
  }

  /** Forgets hours before `rollups`, and processes that were last heard of before `processes`. */
  async forgetBefore(rollups: Date, processes: Date): Promise<void> {
    await this.#rows('DELETE FROM api_log_rollups WHERE hour < $1', [rollups]);
    await this.#rows('DELETE FROM api_log_processes WHERE marked_at < $1', [processes]);
    await this.#rows('DELETE FROM api_log_sequences WHERE hour < $1', [processes]);
  }

  /** Cuts the connection; the next use opens another. */
  close(): void {
    this.#connection.close();
  }

  #rows<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.#connection.use(DEADLINE_MS, async (client) => (await client.query<Row>(sql, values)).rows);
  }
}
