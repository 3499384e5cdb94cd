import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tokens that are sent by mail and work once; and what lists of users are found by. */
export class CreateOneTimeTokens1775000011100 implements MigrationInterface {
  readonly name = 'CreateOneTimeTokens1775000011100';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE one_time_tokens (
        token_hash text COLLATE "C" CONSTRAINT one_time_tokens_pkey PRIMARY KEY,
        purpose text NOT NULL,
        user_id text COLLATE "C" NOT NULL,
        email text NOT NULL,
        mail_id bigint,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL,
        CONSTRAINT one_time_tokens_mail_id_key UNIQUE (mail_id),
        CONSTRAINT one_time_tokens_purpose_check CHECK (purpose IN ('invite', 'verify_email', 'reset_password')),
        CONSTRAINT one_time_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX one_time_tokens_user_id_idx ON one_time_tokens (user_id, purpose)');
    await runner.query('CREATE INDEX one_time_tokens_expires_at_idx ON one_time_tokens (expires_at)');
    await runner.query('CREATE INDEX users_name_idx ON users (name, id)');
    await runner.query('CREATE INDEX users_status_idx ON users (status, created_at, id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE one_time_tokens');
    await runner.query('DROP INDEX users_name_idx');
    await runner.query('DROP INDEX users_status_idx');
  }
}
