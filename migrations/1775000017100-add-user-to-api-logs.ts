import type { MigrationInterface, QueryRunner } from 'typeorm';
import { buildApiLogIndex } from './support/api-log-index.js';
import { aloneOnApiLogs, inShortLock } from './support/short-lock.js';

/**
 * Who a request was made by or for: whoever signed in, or the owner of the key. Requests of nobody's keys cost nothing
 * for it; the index holds each user once a page, as those by address and model do.
 *
 * The column is added without reading a row, the index is built while the table is in use, and the release before
 * writes its own columns as ever. It can be run again after it broke off anywhere.
 */
export class AddUserToApiLogs1775000017100 implements MigrationInterface {
  readonly name = 'AddUserToApiLogs1775000017100';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await aloneOnApiLogs(runner, async () => {
      await inShortLock(runner, 'Adding a column to api_logs', () =>
        runner.query('ALTER TABLE api_logs ADD COLUMN IF NOT EXISTS user_id text'),
      );
      await buildApiLogIndex(runner, [
        'api_logs_user_idx',
        'user_idx',
        '(hashtext(user_id)) WHERE user_id IS NOT NULL',
      ]);
    });
  }

  /** Going down is done in one transaction, whatever this class says, and so not while the table is in use. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX api_logs_user_idx');
    await runner.query('ALTER TABLE api_logs DROP COLUMN user_id');
  }
}
