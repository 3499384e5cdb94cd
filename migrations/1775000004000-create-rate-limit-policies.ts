import type { MigrationInterface, QueryRunner } from 'typeorm';

const SHAPE = `
        windows jsonb NOT NULL DEFAULT '[]'::jsonb,
        concurrent integer,
        cost integer NOT NULL DEFAULT 1,
        mode text NOT NULL DEFAULT 'enforce',
        reason text,
        revision bigint NOT NULL,
        updated_by text,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now()`;

/** What both tables' rows must be, each under a name that says which part of a row was wrong. */
const checks = (table: string) => `
        CONSTRAINT ${table}_windows_check CHECK (rate_limit_windows_valid(windows, cost)),
        CONSTRAINT ${table}_cost_check CHECK (cost BETWEEN 1 AND 1000000),
        CONSTRAINT ${table}_mode_check CHECK (mode IN ('enforce', 'shadow')),
        CONSTRAINT ${table}_reason_check CHECK (length(reason) <= 500),
        CONSTRAINT ${table}_concurrent_check CHECK (CASE class
          WHEN 'streams' THEN concurrent IS NOT NULL AND concurrent BETWEEN 1 AND 1000000 AND windows = '[]'::jsonb
          ELSE concurrent IS NULL END)`;

/**
 * Rate limits as data: policies per class and tier, and overrides per client or user.
 *
 * Every change takes a revision from one sequence and is announced, by triggers, so that changes made by hand in SQL
 * are heard by the replicas as well.
 */
export class CreateRateLimitPolicies1775000004000 implements MigrationInterface {
  readonly name = 'CreateRateLimitPolicies1775000004000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE SEQUENCE rate_limit_revision_seq AS bigint CACHE 1');
    await runner.query(`
      CREATE FUNCTION rate_limit_windows_valid(windows jsonb, cost integer) RETURNS boolean
      LANGUAGE plpgsql IMMUTABLE AS $$
      DECLARE
        one jsonb;
        seen integer[] := '{}';
      BEGIN
        IF windows IS NULL OR jsonb_typeof(windows) <> 'array' OR jsonb_array_length(windows) > 4 THEN
          RETURN false;
        END IF;
        FOR one IN SELECT jsonb_array_elements(windows) LOOP
          IF jsonb_typeof(one) <> 'object'
             OR one - '{quota,window_seconds,mode}'::text[] <> '{}'::jsonb
             OR coalesce(one ->> 'quota', '') !~ '^[1-9][0-9]{0,8}$'
             OR coalesce(one ->> 'window_seconds', '') !~ '^[1-9][0-9]{0,7}$'
             OR jsonb_typeof(one -> 'quota') <> 'number'
             OR jsonb_typeof(one -> 'window_seconds') <> 'number'
             OR coalesce(one ->> 'mode', 'enforce') NOT IN ('enforce', 'shadow') THEN
            RETURN false;
          END IF;
          IF (one ->> 'quota')::integer < cost OR (one ->> 'window_seconds')::integer = ANY (seen) THEN
            RETURN false;
          END IF;
          seen := seen || (one ->> 'window_seconds')::integer;
        END LOOP;
        RETURN true;
      END $$`);
    await runner.query(`
      CREATE TABLE rate_limit_policies (
        class text COLLATE "C" NOT NULL,
        tier text COLLATE "C" NOT NULL,${SHAPE},
        CONSTRAINT rate_limit_policies_pkey PRIMARY KEY (class, tier),
        CONSTRAINT rate_limit_policies_class_check
          CHECK (class IN ('general', 'query', 'key_creation', 'login', 'address', 'streams')),
        CONSTRAINT rate_limit_policies_tier_check
          CHECK (tier = '*' OR (tier ~ '^[a-z][a-z0-9_-]{0,31}$' AND class NOT IN ('login', 'address'))),${checks('rate_limit_policies')}
      )`);
    await runner.query(`
      CREATE TABLE rate_limit_overrides (
        subject_type text COLLATE "C" NOT NULL,
        subject_id text COLLATE "C" NOT NULL,
        class text COLLATE "C" NOT NULL,${SHAPE},
        expires_at timestamptz(3),
        CONSTRAINT rate_limit_overrides_pkey PRIMARY KEY (subject_type, subject_id, class),
        CONSTRAINT rate_limit_overrides_subject_check
          CHECK (subject_type IN ('client', 'user') AND length(subject_id) BETWEEN 1 AND 128),
        CONSTRAINT rate_limit_overrides_class_check
          CHECK (class IN ('general', 'query', 'key_creation', 'streams')),${checks('rate_limit_overrides')}
      )`);
    await runner.query(
      'CREATE INDEX rate_limit_overrides_updated_at_idx ON rate_limit_overrides (updated_at, revision)',
    );
    await runner.query('CREATE INDEX rate_limit_overrides_expires_at_idx ON rate_limit_overrides (expires_at)');

    await runner.query(`
      CREATE FUNCTION rate_limits_take_revision() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.revision := nextval('rate_limit_revision_seq');
        IF TG_OP = 'UPDATE' THEN
          NEW.updated_at := now();
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE FUNCTION rate_limit_policies_announce() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'TRUNCATE' THEN
          PERFORM announce_change('rate_limits', '*', NULL);
        ELSIF TG_OP = 'DELETE' THEN
          PERFORM announce_change('rate_limits', concat_ws(':', 'policy', OLD.class, OLD.tier), OLD.revision);
        ELSE
          PERFORM announce_change('rate_limits', concat_ws(':', 'policy', NEW.class, NEW.tier), NEW.revision);
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE FUNCTION rate_limit_overrides_announce() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'TRUNCATE' THEN
          PERFORM announce_change('rate_limits', '*', NULL);
          RETURN NULL;
        END IF;
        IF TG_OP <> 'INSERT' THEN
          PERFORM announce_change('rate_limits', concat_ws(':', OLD.subject_type, OLD.subject_id), OLD.revision);
        END IF;
        IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND (NEW.subject_type, NEW.subject_id) <> (OLD.subject_type, OLD.subject_id)) THEN
          PERFORM announce_change('rate_limits', concat_ws(':', NEW.subject_type, NEW.subject_id), NEW.revision);
        END IF;
        RETURN NULL;
      END $$`);
    for (const table of ['rate_limit_policies', 'rate_limit_overrides']) {
      await runner.query(`
        CREATE TRIGGER ${table}_take_revision BEFORE INSERT OR UPDATE ON ${table}
        FOR EACH ROW EXECUTE FUNCTION rate_limits_take_revision()`);
      await runner.query(`
        CREATE TRIGGER ${table}_announce AFTER INSERT OR UPDATE OR DELETE ON ${table}
        FOR EACH ROW EXECUTE FUNCTION ${table}_announce()`);
      await runner.query(`
        CREATE TRIGGER ${table}_announce_truncate AFTER TRUNCATE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION ${table}_announce()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE rate_limit_overrides');
    await runner.query('DROP TABLE rate_limit_policies');
    await runner.query('DROP FUNCTION rate_limit_overrides_announce()');
    await runner.query('DROP FUNCTION rate_limit_policies_announce()');
    await runner.query('DROP FUNCTION rate_limits_take_revision()');
    await runner.query('DROP FUNCTION rate_limit_windows_valid(jsonb, integer)');
    await runner.query('DROP SEQUENCE rate_limit_revision_seq');
  }
}
