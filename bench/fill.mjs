// Rows put straight into PostgreSQL: as many as a real installation has, in the time a bench has.
import { crc32 } from 'node:zlib';
import bcrypt from 'bcryptjs';
import pg from 'pg';
import { built } from './built.mjs';

/** Cheap: it is the number of clients that is measured, not what their hashes cost. */
const COST = 4;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CHECKSUM_DIGITS = 6;
const BATCH = 10_000;
const DAY_MS = 86_400_000;

/** A client that a tenth of the filled log is of. */
export const LOGGED_CLIENT = 'cn_live_000000000000';

/** Makes so many clients that can call, and gives their keys. One hash serves them all: the characters are the same. */
export async function insertCallers({ postgresUrl }, count) {
  const { generateClientId } = await built('identity/clients/api-key.js');
  const ids = Array.from({ length: count }, () => generateClientId('live'));
  const secret = 'k'.repeat(30);
  const hash = bcrypt.hashSync(secret, COST);
  await connected(postgresUrl, async (client) => {
    for (let from = 0; from < count; from += BATCH) {
      const values = [ids.slice(from, from + BATCH), hash];
      await client.query(
        `WITH made AS (
           INSERT INTO clients (client_id, name, environment, tier, scopes, status)
           SELECT id, 'caller ' || id, 'live', 'bench', '{llm:invoke}', 'active' FROM unnest($1::text[]) AS id
           RETURNING client_id)
         INSERT INTO client_secrets (id, client_id, hashed_secret, hint)
         SELECT 'sec_' || client_id, client_id, $2, 'kkkk' FROM made`,
        values,
      );
    }
    await client.query('ANALYZE clients, client_secrets');
  });
  return ids.map((id) => keyOf(id, secret));
}

/** Makes so many clients to be listed, over a year of days. */
export function fillClients({ postgresUrl }, count) {
  return connected(postgresUrl, async (client) => {
    for (let from = 0; from < count; from += BATCH) {
      await client.query(
        `INSERT INTO clients (client_id, name, environment, tier, scopes, status, created_at)
         SELECT 'cn_live_' || lpad(n::text, 12, '0'), 'service ' || md5(n::text), 'live',
                CASE WHEN n % 10 = 0 THEN 'free' ELSE 'paid' END, '{llm:invoke}',
                CASE WHEN n % 50 = 0 THEN 'disabled' ELSE 'active' END, now() - n * interval '365 days' / $2::int
         FROM generate_series($1::int, least($1::int + ${BATCH}, $2::int) - 1) AS n`,
        [from, count],
      );
    }
    await client.query('VACUUM ANALYZE clients');
  });
}

/** Makes so many rows of log over so many UTC days, the last of them today, as a thousand clients would leave them. */
export function fillApiLogs({ postgresUrl }, rows, days) {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  return connected(postgresUrl, async (client) => {
    for (let ago = days - 1; ago >= 0; ago--) {
      const [start, end] = [ago, ago - 1].map((day) => new Date(today - day * DAY_MS).toISOString());
      const name = `api_logs_${start.slice(0, 10).replaceAll('-', '_')}`;
      await client.query(
        `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF api_logs FOR VALUES FROM ('${start}') TO ('${end}')`,
      );
      await client.query(
        `INSERT INTO api_logs (created_at, request_id, method, route, status, latency_ms, client_id, client_address,
                               bytes_in, bytes_out, auth_method, provider, model, stream, input_tokens, output_tokens)
         SELECT $2::timestamptz + n * interval '86399 seconds' / $1::int, 'req_' || substr(md5(n::text), 1, 24), 'POST',
                '/v1/chat/completions', CASE WHEN n % 2000 = 7 THEN 503 WHEN n % 20 = 3 THEN 429 ELSE 200 END,
                20 + n % 2000, 'cn_live_' || lpad((CASE WHEN n % 10 = 7 THEN 0 ELSE n % 1000 END)::text, 12, '0'),
                '10.0.' || n % 200 || '.' || n % 50, 1500, 4000, 'client', 'openai', 'openai/gpt-4o-mini', n % 2 = 0, 800, 200
         FROM generate_series(1, $1::int) AS n`,
        [Math.ceil(rows / days), start],
      );
    }
    await client.query('VACUUM ANALYZE api_logs');
  });
}

/** The key as the contract has it: the id, the characters that are hashed, and the CRC-32 of what is before it. */
function keyOf(clientId, secret) {
  let checksum = '';
  for (let rest = crc32(`${clientId}_${secret}`); checksum.length < CHECKSUM_DIGITS; rest = Math.floor(rest / 62))
    checksum = DIGITS[rest % 62] + checksum;
  return `${clientId}_${secret}${checksum}`;
}

async function connected(connectionString, work) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
