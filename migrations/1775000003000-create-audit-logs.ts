import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The audit log: rows are added and never changed. The refusal is a trigger that fires in every session
 * (`ENABLE ALWAYS`), so that neither this service nor a replication role can rewrite what happened; only the table's
 * owner can take the trigger away.
 */
export class CreateAuditLogs1775000003000 implements MigrationInterface {
  readonly name = 'CreateAuditLogs1775000003000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_logs (
        id bigint GENERATED ALWAYS AS IDENTITY,
        at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        action text NOT NULL,
        actor_type text NOT NULL,
        actor_id text COLLATE "C",
        subject_type text NOT NULL,
        subject_id text COLLATE "C",
        address text,
        request_id text,
        outcome text NOT NULL,
        details jsonb NOT NULL DEFAULT '{}'::jsonb,
        CONSTRAINT audit_logs_pkey PRIMARY KEY (id)
      )`);
    await runner.query(`
      CREATE FUNCTION audit_logs_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'audit_logs is insert-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
      END $$`);
    await runner.query(`
      CREATE TRIGGER audit_logs_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
      FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_refuse_change()`);
    await runner.query('ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER audit_logs_insert_only');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit_logs');
    await runner.query('DROP FUNCTION audit_logs_refuse_change()');
  }
}
