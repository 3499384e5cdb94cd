import type { MigrationInterface, QueryRunner } from 'typeorm';

/** From where a user who set a new password by mail may sign in, for a while, as if on a known device. */
export class CreateSignInRecoveries1775000012100 implements MigrationInterface {
  readonly name = 'CreateSignInRecoveries1775000012100';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE sign_in_recoveries (
        user_id text COLLATE "C" NOT NULL,
        address text COLLATE "C" NOT NULL,
        until timestamptz(3) NOT NULL,
        CONSTRAINT sign_in_recoveries_pkey PRIMARY KEY (user_id, address),
        CONSTRAINT sign_in_recoveries_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX sign_in_recoveries_until_idx ON sign_in_recoveries (until)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE sign_in_recoveries');
  }
}
