import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inShortLock } from './support/short-lock.js';

/**
 * The epoch that the short tokens of a client carry: raised, all of them end. A secret that is revoked, or removed before
 * its end, raises it, because any of them may have been got with that secret; so do changes by hand in SQL. A secret that
 * just expires does not: its tokens end within minutes.
 */
export class AddClientTokenEpoch1775000014200 implements MigrationInterface {
  readonly name = 'AddClientTokenEpoch1775000014200';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION client_secrets_end_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE clients SET token_epoch = token_epoch + 1 WHERE client_id = OLD.client_id;
        RETURN NULL;
      END $$`);
    await inShortLock(runner, 'Adding a column to clients', async () => {
      await runner.query('ALTER TABLE clients ADD COLUMN IF NOT EXISTS token_epoch integer NOT NULL DEFAULT 0');
      await runner.query(`
        CREATE OR REPLACE TRIGGER client_secrets_end_tokens AFTER UPDATE OF revoked_at ON client_secrets
        FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
        EXECUTE FUNCTION client_secrets_end_tokens()`);
      await runner.query(`
        CREATE OR REPLACE TRIGGER client_secrets_end_tokens_delete AFTER DELETE ON client_secrets
        FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND (OLD.expires_at IS NULL OR OLD.expires_at > now()))
        EXECUTE FUNCTION client_secrets_end_tokens()`);
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await inShortLock(runner, 'Dropping a column of clients', async () => {
      await runner.query('DROP TRIGGER IF EXISTS client_secrets_end_tokens_delete ON client_secrets');
      await runner.query('DROP TRIGGER IF EXISTS client_secrets_end_tokens ON client_secrets');
      await runner.query('ALTER TABLE clients DROP COLUMN IF EXISTS token_epoch');
    });
    await runner.query('DROP FUNCTION IF EXISTS client_secrets_end_tokens()');
  }
}
