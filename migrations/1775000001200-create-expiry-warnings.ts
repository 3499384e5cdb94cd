import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which ends of clients and secrets were warned of, so that no end is warned of twice. */
export class CreateExpiryWarnings1775000001200 implements MigrationInterface {
  readonly name = 'CreateExpiryWarnings1775000001200';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE expiry_warnings (
        subject_id text COLLATE "C" NOT NULL,
        ends_at timestamptz(3) NOT NULL,
        days smallint NOT NULL,
        warned_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT expiry_warnings_pkey PRIMARY KEY (subject_id, ends_at, days)
      )`);
    await runner.query('CREATE INDEX expiry_warnings_ends_at_idx ON expiry_warnings (ends_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE expiry_warnings');
  }
}
