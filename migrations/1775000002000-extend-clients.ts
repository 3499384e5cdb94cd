import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inShortLock } from './support/short-lock.js';

/**
 * What a client may be limited to, when it was last used, when it ends, and when one of its keys was reported as leaked.
 *
 * `last_used_at` and `ends_at` say nothing about who is let in: an update that changes nothing else leaves the version
 * alone, so that no cache is emptied by it. Whatever else changes takes a new version, columns of later releases
 * included. `ends_at` is the client's own end or the last end of its secrets, whichever comes first; it is computed here,
 * because a trigger hears of changes by hand and of those of the previous release too.
 */
export class ExtendClients1775000002000 implements MigrationInterface {
  readonly name = 'ExtendClients1775000002000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await inShortLock(runner, 'Adding columns to clients', async () => {
      await runner.query(`
        ALTER TABLE clients
          ADD COLUMN IF NOT EXISTS allowed_addresses text[],
          ADD COLUMN IF NOT EXISTS allowed_models text[],
          ADD COLUMN IF NOT EXISTS allowed_providers text[],
          ADD COLUMN IF NOT EXISTS leak_reported_at timestamptz(3),
          ADD COLUMN IF NOT EXISTS last_used_at timestamptz(3),
          ADD COLUMN IF NOT EXISTS ends_at timestamptz(3)`);
      await runner.query(`
        CREATE OR REPLACE FUNCTION clients_take_version() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
          noted CONSTANT text[] := ARRAY['last_used_at', 'ends_at'];
          takes_version boolean := true;
          last_end timestamptz;
        BEGIN
          IF TG_OP = 'UPDATE' THEN
            takes_version := (NEW.last_used_at, NEW.ends_at) IS NOT DISTINCT FROM (OLD.last_used_at, OLD.ends_at)
              OR to_jsonb(NEW) - noted <> to_jsonb(OLD) - noted;
            SELECT max(coalesce(expires_at, 'infinity')) INTO last_end
            FROM client_secrets WHERE client_id = NEW.client_id;
          END IF;
          NEW.ends_at := nullif(least(NEW.expires_at, last_end), 'infinity');
          IF takes_version THEN
            NEW.version := nextval('client_version_seq');
            IF TG_OP = 'UPDATE' THEN
              NEW.updated_at := now();
            END IF;
          END IF;
          RETURN NEW;
        END $$`);
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await inShortLock(runner, 'Dropping columns of clients', async () => {
      await runner.query(`
        CREATE OR REPLACE FUNCTION clients_take_version() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.version := nextval('client_version_seq');
        IF TG_OP = 'UPDATE' THEN
          NEW.updated_at := now();
        END IF;
        RETURN NEW;
      END $$`);
      await runner.query(`
        ALTER TABLE clients
          DROP COLUMN allowed_addresses,
          DROP COLUMN allowed_models,
          DROP COLUMN allowed_providers,
          DROP COLUMN leak_reported_at,
          DROP COLUMN last_used_at,
          DROP COLUMN ends_at`);
    });
  }
}
