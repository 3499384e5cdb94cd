import type { MigrationInterface, QueryRunner } from 'typeorm';
import { type ApiLogIndex, buildApiLogIndex } from './support/api-log-index.js';
import { aloneOnApiLogs, inShortLock, statementInShortLock } from './support/short-lock.js';

const EARLIER = [
  ['api_logs_client_idx', '(client_id, created_at, id)'],
  ['api_logs_request_idx', '(request_id)'],
] as const;

/**
 * A hash of four bytes stands for a text of thirty, and a column of few values is held once per value, so that a row and
 * all its indexes stay within 400 bytes. What went well is most of the rows and needs no index by status.
 */
const PRESENT: readonly ApiLogIndex[] = [
  ['api_logs_client_time_idx', 'hashtext_created_at_idx', '(hashtext(client_id), created_at)'],
  ['api_logs_request_hash_idx', 'hashtext_idx', '(hashtext(request_id))'],
  ['api_logs_status_idx', 'status_created_at_idx', '(status, created_at) WHERE status <> 200'],
  [
    'api_logs_client_status_idx',
    'hashtext_status_created_at_idx',
    '(hashtext(client_id), status, created_at) WHERE status <> 200',
  ],
  ['api_logs_address_idx', 'client_address_idx', '(client_address)'],
  ['api_logs_model_idx', 'model_idx', '(model)'],
  ['api_logs_error_idx', 'error_code_idx', '(error_code) WHERE error_code IS NOT NULL'],
];

/**
 * Gives `api_logs` the indexes it is listed by at tens of millions of rows, and each row the process that wrote it and
 * its number there. Indexes are built while the table is in use; it can be run again after it broke off anywhere.
 */
export class IndexApiLogsForSize1775000006000 implements MigrationInterface {
  name = 'IndexApiLogsForSize1775000006000';
  transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await aloneOnApiLogs(runner, async () => {
      await inShortLock(runner, 'Adding columns to api_logs', () =>
        runner.query(
          'ALTER TABLE api_logs ADD COLUMN IF NOT EXISTS process integer, ADD COLUMN IF NOT EXISTS sequence integer',
        ),
      );
      for (const index of PRESENT) await buildApiLogIndex(runner, index);
      for (const [name] of EARLIER) await statementInShortLock(runner, `DROP INDEX IF EXISTS ${name}`);
    });
  }

  /** Going down is done in one transaction, whatever this class says, and so not while the table is in use. */
  async down(runner: QueryRunner): Promise<void> {
    for (const [name, definition] of EARLIER) await runner.query(`CREATE INDEX ${name} ON api_logs ${definition}`);
    for (const [name] of PRESENT) await runner.query(`DROP INDEX ${name}`);
    await runner.query('ALTER TABLE api_logs DROP COLUMN process, DROP COLUMN sequence');
  }
}
