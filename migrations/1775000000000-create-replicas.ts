import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The replicas that serve, the changes they have to hear of, and their receipts.
 *
 * Changes of clients are announced by a trigger, so that those of the previous release, of the command line and of SQL
 * by hand are heard as well. A client's own making is not announced: nothing can be remembered of it yet.
 */
export class CreateReplicas1775000000000 implements MigrationInterface {
  readonly name = 'CreateReplicas1775000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE replicas (
        id text COLLATE "C" NOT NULL,
        started_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        beat_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        alone_seconds integer NOT NULL,
        stale_seconds integer NOT NULL,
        CONSTRAINT replicas_pkey PRIMARY KEY (id)
      )`);
    await runner.query(`
      CREATE TABLE changes (
        id bigint GENERATED ALWAYS AS IDENTITY,
        topic text COLLATE "C" NOT NULL,
        subject text COLLATE "C" NOT NULL,
        version bigint,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT changes_pkey PRIMARY KEY (id)
      )`);
    await runner.query('CREATE INDEX changes_created_at_idx ON changes (created_at)');
    await runner.query('CREATE INDEX changes_subject_idx ON changes (subject, topic, id)');
    await runner.query(`
      CREATE TABLE change_receipts (
        change_id bigint NOT NULL,
        replica_id text COLLATE "C" NOT NULL,
        at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT change_receipts_pkey PRIMARY KEY (change_id, replica_id)
      )`);
    await runner.query('CREATE INDEX change_receipts_at_idx ON change_receipts (at)');

    await runner.query(`
      CREATE FUNCTION announce_change(about text, who text, at_version bigint) RETURNS bigint LANGUAGE plpgsql AS $$
      DECLARE
        change_id bigint;
      BEGIN
        INSERT INTO changes (topic, subject, version) VALUES (about, who, at_version) RETURNING id INTO change_id;
        PERFORM pg_notify('core_nest_changes', json_build_object(
          'id', change_id::text, 'topic', about, 'subject', who, 'version', at_version::text)::text);
        RETURN change_id;
      END $$`);
    await runner.query(`
      CREATE FUNCTION clients_announce() RETURNS trigger LANGUAGE plpgsql AS $$
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
      CREATE TRIGGER clients_announce_update AFTER UPDATE ON clients
      FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION clients_announce()`);
    await runner.query(`
      CREATE TRIGGER clients_announce_delete AFTER DELETE ON clients
      FOR EACH ROW EXECUTE FUNCTION clients_announce()`);
    await runner.query(`
      CREATE TRIGGER clients_announce_truncate AFTER TRUNCATE ON clients
      FOR EACH STATEMENT EXECUTE FUNCTION clients_announce()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER clients_announce_truncate ON clients');
    await runner.query('DROP TRIGGER clients_announce_delete ON clients');
    await runner.query('DROP TRIGGER clients_announce_update ON clients');
    await runner.query('DROP FUNCTION clients_announce()');
    await runner.query('DROP FUNCTION announce_change(text, text, bigint)');
    await runner.query('DROP TABLE change_receipts');
    await runner.query('DROP TABLE changes');
    await runner.query('DROP TABLE replicas');
  }
}
