import type { TestDatabase } from './test-database.js';

const DAY_MS = 86_400_000;

/** What the rows hold, so that a test knows what to look for. */
export const FILLED = {
  clients: 1_000,
  /** Sends a fifth of all requests, and never one to `RARELY_SHARED_MODEL`, which others use for a tenth of theirs. */
  busiestClient: clientOf(0),
  rarelySharedModel: 'anthropic/claude-haiku-4-5',
  /** Is answered 503 by one request in two thousand. */
  rareStatus: 503,
} as const;

/** The id of the client of this number, as in SQL below. */
export function clientOf(number: number): string {
  return `cn_live_${String(number).padStart(12, '0')}`;
}

/** The id of the user whose client this is; every fifth has one. */
export function userOf(number: number): string {
  return `usr_${String(number).padStart(20, '0')}`;
}

/**
 * Fills `api_logs` with `rows` requests of the `days` days up to now, in the order in which a busy installation would
 * have written them, and makes the partitions for that. A million rows take about ten seconds.
 */
export async function fillApiLogs(database: TestDatabase, rows: number, days: number): Promise<void> {
  const begin = Date.now() - days * DAY_MS;
  const perDay = Math.ceil(rows / days);
  for (let day = 0; day <= days; day++) {
    const midnight = new Date(Math.floor((begin + day * DAY_MS) / DAY_MS) * DAY_MS);
    const name = `api_logs_${midnight.toISOString().slice(0, 10).replaceAll('-', '_')}`;
    const next = new Date(midnight.getTime() + DAY_MS);
    await database.query(
      `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF api_logs
       FOR VALUES FROM ('${midnight.toISOString()}') TO ('${next.toISOString()}')`,
    );
  }
  for (let day = 0; day < days; day++)
    await database.query(INSERT, [perDay, new Date(begin + day * DAY_MS), day * perDay]);
  await database.query('ANALYZE api_logs');
}

/** Rows come a little out of order, as they are written when a response closes. `$3` rows were written before. */
const INSERT = `
  INSERT INTO api_logs (created_at, request_id, method, route, status, latency_ms, client_id, client_address, bytes_in,
                        bytes_out, auth_method, caller_kind, provider, model, stream, input_tokens, output_tokens,
                        error_code, process, sequence, user_id)
  SELECT $2::timestamptz + n * interval '1 day' / $1::int - random() * interval '2 seconds',
         'req_' || substr(md5((n + $3::int)::text), 1, 24), 'POST', '/v1/chat/completions', status, 20 + random() * 2000,
         CASE WHEN known THEN 'cn_live_' || lpad(client::text, 12, '0') END,
         '10.' || client % 4 || '.' || client % 200 || '.' || n % 20, 1500 + n % 3000, 4000 + n % 9000,
         CASE WHEN known THEN 'client' END, kind,
         CASE WHEN known THEN split_part(model, '/', 1) END, CASE WHEN known THEN model END, n % 2 = 0,
         CASE WHEN status = 200 THEN 800 + n % 900 END, CASE WHEN status = 200 THEN 200 + n % 300 END,
         CASE status WHEN 200 THEN NULL WHEN 401 THEN 'invalid_api_key' WHEN 429 THEN 'rate_limited'
                     WHEN 404 THEN 'model_not_found' WHEN 503 THEN 'provider_not_configured' WHEN 499 THEN NULL
                     ELSE 'provider_error' END,
         1 + n % 3, (n + $3::int) / 3, CASE WHEN known AND client % 5 = 2 THEN 'usr_' || lpad(client::text, 20, '0') END
  FROM (SELECT n, client, status, status <> 401 AS known,
               (ARRAY['openai-python', 'openai-node', 'curl', 'anthropic-node'])[1 + floor(4 * b * b)::int] AS kind,
               CASE WHEN client <> 0 AND b < 0.1 THEN '${FILLED.rarelySharedModel}'
                    ELSE (ARRAY['openai/gpt-4o-mini', 'openai/gpt-4o', 'openai/gpt-4.1-mini', 'gemini/gemini-2.5-flash',
                                'core-nest/echo'])[1 + floor(5 * a * b)::int] END AS model
        FROM (SELECT n, a, b,
                     CASE WHEN b > 0.8 THEN 0 ELSE floor(${FILLED.clients} * power(a, 2))::int END AS client,
                     CASE WHEN c < 0.9 THEN 200 WHEN c < 0.94 THEN 429 WHEN c < 0.96 THEN 401 WHEN c < 0.97 THEN 404
                          WHEN c < 0.985 THEN 499 WHEN c < 0.9995 THEN 502 ELSE 503 END AS status
              FROM (SELECT n, random() AS a, random() AS b, random() AS c FROM generate_series(1, $1::int) AS n) AS dice
             ) AS thrown
       ) AS requests`;
