import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Answers to be given once more to a caller that sent an `Idempotency-Key` and was cut off. */
export class CreateIdempotencyKeys1775000001100 implements MigrationInterface {
  readonly name = 'CreateIdempotencyKeys1775000001100';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE idempotency_keys (
        id text COLLATE "C" NOT NULL,
        fingerprint text NOT NULL,
        answer bytea NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (id)
      )`);
    await runner.query('CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE idempotency_keys');
  }
}
