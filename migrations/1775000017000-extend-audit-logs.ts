import type { MigrationInterface, QueryRunner } from 'typeorm';
import { asAuditOwner } from './support/audit-owner.js';
import { inShortLock } from './support/short-lock.js';

/** What a list of millions of rows is found by: each filter that narrows, in the order of the list. */
const INDEXES = [
  ['at', '(at, id)'],
  ['action', '(action, at, id)'],
  ['actor', '(actor_id, at, id) WHERE actor_id IS NOT NULL'],
  ['user', '(user_id, at, id) WHERE user_id IS NOT NULL'],
  ['subject', '(subject_id, at, id) WHERE subject_id IS NOT NULL'],
  ['session', '(session_id, at, id) WHERE session_id IS NOT NULL'],
  ['request', '(request_id) WHERE request_id IS NOT NULL'],
  ['outcome', "(outcome, at, id) WHERE outcome <> 'succeeded'"],
] as const;

/**
 * Gives the audit log the session and the user behind an actor, and the indexes it is listed by. Indexes are built
 * while rows are added; it can be run again after it broke off anywhere.
 */
export class ExtendAuditLogs1775000017000 implements MigrationInterface {
  readonly name = 'ExtendAuditLogs1775000017000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await asAuditOwner(runner, async () => {
      await inShortLock(runner, 'Adding columns to audit_logs', () =>
        runner.query(`
          ALTER TABLE audit_logs
            ADD COLUMN IF NOT EXISTS user_id text COLLATE "C",
            ADD COLUMN IF NOT EXISTS session_id text COLLATE "C"`),
      );
      for (const [name, definition] of INDEXES) {
        await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS audit_logs_${name}_idx`);
        await runner.query(`CREATE INDEX CONCURRENTLY audit_logs_${name}_idx ON audit_logs ${definition}`);
      }
    });
  }

  /** Going down is done in one transaction, whatever this class says, and so not while the table is in use. */
  async down(runner: QueryRunner): Promise<void> {
    await asAuditOwner(runner, async () => {
      for (const [name] of INDEXES) await runner.query(`DROP INDEX IF EXISTS audit_logs_${name}_idx`);
      await runner.query('ALTER TABLE audit_logs DROP COLUMN user_id, DROP COLUMN session_id');
    });
  }
}
