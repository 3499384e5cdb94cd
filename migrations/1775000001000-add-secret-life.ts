import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inShortLock, statementInShortLock } from './support/short-lock.js';

const COLUMNS = [
  ['last_used_address', 'text'],
  ['last_used_user_agent', 'text'],
  ['finish_idle_since', 'timestamptz(3)'],
  ['revoked_at', 'timestamptz(3)'],
] as const;

/** What a change of is a change of the credential. */
const TOUCHING = ['id', 'client_id', 'hashed_secret', 'hint', 'expires_at'];

/** Few rows of big tables: those that end. */
const INDEXES = [
  ['clients_expires_at_idx', 'clients (expires_at) WHERE expires_at IS NOT NULL'],
  ['client_secrets_expires_at_idx', 'client_secrets (expires_at) WHERE expires_at IS NOT NULL'],
  ['client_secrets_finish_idle_since_idx', 'client_secrets (finish_idle_since) WHERE finish_idle_since IS NOT NULL'],
] as const;

/**
 * What a secret's life needs: from where it was last used, whether it goes when it is idle, and whether it was ended at
 * once, which gives its client a new version, by whomever it is set. Columns are added without rewriting the table, and indexes are built while it is in use. It can be run again
 * after it broke off anywhere.
 */
export class AddSecretLife1775000001000 implements MigrationInterface {
  readonly name = 'AddSecretLife1775000001000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    const columns = COLUMNS.map(([name, type]) => `ADD COLUMN IF NOT EXISTS ${name} ${type}`);
    await inShortLock(runner, 'Adding columns to client_secrets', async () => {
      await runner.query(`ALTER TABLE client_secrets ${columns.join(', ')}`);
      await touchClientOnChangeOf(runner, [...TOUCHING, 'revoked_at']);
    });
    for (const [name, definition] of INDEXES) {
      // One that broke off is there and of no use.
      await statementInShortLock(runner, `DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
      await runner.query(`CREATE INDEX CONCURRENTLY ${name} ON ${definition}`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name] of INDEXES) await runner.query(`DROP INDEX ${name}`);
    const columns = COLUMNS.map(([name]) => `DROP COLUMN ${name}`);
    await inShortLock(runner, 'Dropping columns of client_secrets', async () => {
      await touchClientOnChangeOf(runner, TOUCHING);
      await runner.query(`ALTER TABLE client_secrets ${columns.join(', ')}`);
    });
  }
}

function touchClientOnChangeOf(runner: QueryRunner, columns: readonly string[]): Promise<unknown> {
  return runner.query(`
    CREATE OR REPLACE TRIGGER client_secrets_touch_client
    AFTER INSERT OR DELETE OR UPDATE OF ${columns.join(', ')} ON client_secrets
    FOR EACH ROW EXECUTE FUNCTION client_secrets_touch_client()`);
}
