import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inShortLock } from './support/short-lock.js';

/**
 * The replicas that serve, the changes they have to hear of, and their receipts.
 *
 * Changes of clients are announced by a trigger, so that those of the previous release, of the command line and of SQL
 * by hand are heard as well. A client's own making is not announced: nothing can be remembered of it yet.
 *
 * A trigger waits for whoever is writing to `clients`, and others would queue behind it: it is waited for in short tries.
 * It can be run again after it broke off anywhere.
 */
export class CreateReplicas1775000000000 implements MigrationInterface {
  readonly name = 'CreateReplicas1775000000000';
  readonly transaction = false;

  up(runner: QueryRunner): Promise<void> {
    return inShortLock(runner, 'Adding triggers to clients', () => create(runner));
  }

  down(runner: QueryRunner): Promise<void> {
    return inShortLock(runner, 'Dropping triggers of clients', () => drop(runner));
  }
}

async function create(runner: QueryRunner): Promise<void> {
  await runner.query(`
      CREATE TABLE IF NOT EXISTS replicas (
        id text COLLATE "C" NOT NULL,
        started_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        beat_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        alone_seconds integer NOT NULL,
        stale_seconds integer NOT NULL,
        CONSTRAINT replicas_pkey PRIMARY KEY (id)
      )`);
  await runner.query(`
      CREATE TABLE IF NOT EXISTS changes (
        id bigint GENERATED ALWAYS AS IDENTITY,
        topic text COLLATE "C" NOT NULL,
        subject text COLLATE "C" NOT NULL,
        version bigint,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT changes_pkey PRIMARY KEY (id)
      )`);
  await runner.query('CREATE INDEX IF NOT EXISTS changes_created_at_idx ON changes (created_at)');
  await runner.query('CREATE INDEX IF NOT EXISTS changes_subject_idx ON changes (subject, topic, id)');
  await runner.query(`
      CREATE TABLE IF NOT EXISTS change_receipts (
        change_id bigint NOT NULL,
        replica_id text COLLATE "C" NOT NULL,
        at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT change_receipts_pkey PRIMARY KEY (change_id, replica_id)
      )`);
  await runner.query('CREATE INDEX IF NOT EXISTS change_receipts_at_idx ON change_receipts (at)');

  await runner.query(`
      CREATE OR REPLACE FUNCTION announce_change(about text, who text, at_version bigint) RETURNS bigint LANGUAGE plpgsql AS $$
      DECLARE
        change_id bigint;
      BEGIN
        INSERT INTO changes (topic, subject, version) VALUES (about, who, at_version) RETURNING id INTO change_id;
        PERFORM pg_notify('core_nest_changes', json_build_object(
          'id', change_id::text, 'topic', about, 'subject', who, 'version', at_version::text)::text);
        RETURN change_id;
      END $$`);
  await runner.query(`
      CREATE OR REPLACE FUNCTION clients_announce() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'TRUNCATE' THEN
          PERFORM announce_change('client', '*', nextval('client_version_seq'));
        ELSIF TG_OP = 'DELETE' THEN
          PERFORM announce_change('client', OLD.client_id, nextval('client_version_seq'));
        ELSIF NEW.created_at <> now()::timestamptz(3) THEN
          PERFORM announce_change('client', OLD.client_id, NEW.version);
          IF NEW.client_id <> OLD.client_id THEN
            PERFORM announce_change('client', NEW.client_id, NEW.version);
          END IF;
        END IF;
        RETURN NULL;
      END $$`);
  await runner.query(`
      CREATE OR REPLACE TRIGGER clients_announce_update AFTER UPDATE ON clients
      FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION clients_announce()`);
  await runner.query(`
      CREATE OR REPLACE TRIGGER clients_announce_delete AFTER DELETE ON clients
      FOR EACH ROW EXECUTE FUNCTION clients_announce()`);
  await runner.query(`
      CREATE OR REPLACE TRIGGER clients_announce_truncate AFTER TRUNCATE ON clients
      FOR EACH STATEMENT EXECUTE FUNCTION clients_announce()`);
}

async function drop(runner: QueryRunner): Promise<void> {
  await runner.query('DROP TRIGGER IF EXISTS clients_announce_truncate ON clients');
  await runner.query('DROP TRIGGER IF EXISTS clients_announce_delete ON clients');
  await runner.query('DROP TRIGGER IF EXISTS clients_announce_update ON clients');
  await runner.query('DROP FUNCTION IF EXISTS clients_announce()');
  await runner.query('DROP FUNCTION IF EXISTS announce_change(text, text, bigint)');
  await runner.query('DROP TABLE IF EXISTS change_receipts');
  await runner.query('DROP TABLE IF EXISTS changes');
  await runner.query('DROP TABLE IF EXISTS replicas');
}
