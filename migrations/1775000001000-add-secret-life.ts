import type { MigrationInterface, QueryRunner } from 'typeorm';
import { statementInShortLock } from './support/short-lock.js';

const COLUMNS = [
  ['last_used_address', 'text'],
  ['last_used_user_agent', 'text'],
  ['finish_idle_since', 'timestamptz(3)'],
  ['revoked_at', 'timestamptz(3)'],
] as const;

/** Few rows of big tables: those that end. */
const INDEXES = [
  ['clients_expires_at_idx', 'clients (expires_at) WHERE expires_at IS NOT NULL'],
  ['client_secrets_expires_at_idx', 'client_secrets (expires_at) WHERE expires_at IS NOT NULL'],
  ['client_secrets_finish_idle_since_idx', 'client_secrets (finish_idle_since) WHERE finish_idle_since IS NOT NULL'],
] as const;

/**
 * What a secret's life needs: from where it was last used, whether it goes when it is idle, and whether it was ended at
 * once. Columns are added without rewriting the table, and indexes are built while it is in use. It can be run again
 * after it broke off anywhere.
 */
export class AddSecretLife1775000001000 implements MigrationInterface {
  readonly name = 'AddSecretLife1775000001000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    const columns = COLUMNS.map(([name, type]) => `ADD COLUMN IF NOT EXISTS ${name} ${type}`);
    await statementInShortLock(runner, `ALTER TABLE client_secrets ${columns.join(', ')}`);
    for (const [name, definition] of INDEXES) {
      // One that broke off is there and of no use.
      await statementInShortLock(runner, `DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
      await runner.query(`CREATE INDEX CONCURRENTLY ${name} ON ${definition}`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name] of INDEXES) await runner.query(`DROP INDEX ${name}`);
    const columns = COLUMNS.map(([name]) => `DROP COLUMN ${name}`);
    await runner.query(`ALTER TABLE client_secrets ${columns.join(', ')}`);
  }
}
