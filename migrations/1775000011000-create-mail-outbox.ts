import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Mail that was promised and has not left yet: what it is about, never what it says. */
export class CreateMailOutbox1775000011000 implements MigrationInterface {
  readonly name = 'CreateMailOutbox1775000011000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE mail_outbox (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT mail_outbox_pkey PRIMARY KEY,
        kind text NOT NULL,
        params jsonb NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT mail_outbox_kind_params_key UNIQUE (kind, params)
      )`);
    await runner.query('CREATE INDEX mail_outbox_next_attempt_at_idx ON mail_outbox (next_attempt_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE mail_outbox');
  }
}
