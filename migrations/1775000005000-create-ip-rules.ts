import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Rules that let ranges of addresses in or keep them out. Changes are announced by a trigger, so that those made by hand
 * in SQL are heard by every replica as well; the end of a rule that has expired changes nothing and is not. Version 0
 * stands for a rule that is gone.
 */
export class CreateIpRules1775000005000 implements MigrationInterface {
  readonly name = 'CreateIpRules1775000005000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ip_rules (
        id text COLLATE "C" NOT NULL,
        cidr cidr NOT NULL,
        action text NOT NULL,
        source text NOT NULL,
        reason text,
        expires_at timestamptz(3),
        created_by text COLLATE "C",
        strikes integer NOT NULL DEFAULT 0,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT ip_rules_pkey PRIMARY KEY (id),
        CONSTRAINT ip_rules_action_check CHECK (action IN ('allow', 'block')),
        CONSTRAINT ip_rules_source_check
          CHECK (source = 'manual' OR (source = 'automatic' AND action = 'block' AND expires_at IS NOT NULL))
      )`);
    await runner.query('CREATE UNIQUE INDEX ip_rules_source_cidr_key ON ip_rules (source, cidr)');
    await runner.query('CREATE INDEX ip_rules_created_at_idx ON ip_rules (created_at, id)');
    await runner.query('CREATE INDEX ip_rules_expires_at_idx ON ip_rules (expires_at)');
    await runner.query(`
      CREATE FUNCTION ip_rules_touch() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.updated_at := now();
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER ip_rules_touch BEFORE UPDATE ON ip_rules
      FOR EACH ROW EXECUTE FUNCTION ip_rules_touch()`);
    await runner.query(`
      CREATE FUNCTION ip_rules_announce() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'TRUNCATE' THEN
          PERFORM announce_change('ip_rules', '*', NULL);
        ELSIF TG_OP = 'DELETE' THEN
          IF OLD.expires_at IS NULL OR OLD.expires_at > now() THEN
            PERFORM announce_change('ip_rules', OLD.id, 0);
          END IF;
        ELSE
          IF TG_OP = 'UPDATE' AND OLD.id <> NEW.id THEN
            PERFORM announce_change('ip_rules', OLD.id, 0);
          END IF;
          PERFORM announce_change('ip_rules', NEW.id, NULL);
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER ip_rules_announce AFTER INSERT OR UPDATE OR DELETE ON ip_rules
      FOR EACH ROW EXECUTE FUNCTION ip_rules_announce()`);
    await runner.query(`
      CREATE TRIGGER ip_rules_announce_truncate AFTER TRUNCATE ON ip_rules
      FOR EACH STATEMENT EXECUTE FUNCTION ip_rules_announce()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE ip_rules');
    await runner.query('DROP FUNCTION ip_rules_announce()');
    await runner.query('DROP FUNCTION ip_rules_touch()');
  }
}
