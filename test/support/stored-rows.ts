import type { TestDatabase } from './test-database.js';

/** What is written by the mere fact of a request, and by the service to itself. */
const NOT_OF_PEOPLE = new Set([
  'api_log_processes',
  'api_log_rollups',
  'api_log_sequences',
  'audit_logs',
  'change_receipts',
  'changes',
  'credential_fences',
  'expiry_warnings',
  'replicas',
  'schema_migrations',
  'session_activity',
  'session_days',
  'sign_in_attempts',
  'signing_keys',
]);
/** When and from where something was used or tried last. */
const USES = [
  'last_seen_at',
  'seen_address',
  'seen_country',
  'last_used_at',
  'last_used_address',
  'last_used_user_agent',
  'attempts',
  'next_attempt_at',
];

/**
 * Every row there is of what people and clients have, as text by table: two such pictures are equal when nobody's things
 * were changed in between.
 */
export async function storedRows(database: TestDatabase): Promise<Record<string, string[]>> {
  const tables = await database.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables
     WHERE schemaname = 'public' AND NOT tablename = ANY ($1) AND tablename NOT LIKE 'api_logs%' ORDER BY 1`,
    [[...NOT_OF_PEOPLE]],
  );
  const selects = tables.map(
    ({ name }) => `SELECT '${name}' AS name, (to_jsonb(t) - $1::text[])::text AS row FROM ${name} t`,
  );
  const rows = await database.query<{ name: string; row: string }>(`${selects.join(' UNION ALL ')} ORDER BY 1, 2`, [
    USES,
  ]);
  return Object.fromEntries(
    tables.map(({ name }) => [name, rows.filter((each) => each.name === name).map(({ row }) => row)]),
  );
}
