import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The keys that sign access tokens. A private part is sealed under a key derived from MASTER_KEY, with the key's id as
 * associated data. What becomes of a key is announced by a trigger, so that one removed by hand in SQL is refused by
 * every replica at once.
 */
export class CreateSigningKeys1775000014000 implements MigrationInterface {
  readonly name = 'CreateSigningKeys1775000014000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE signing_keys (
        kid text COLLATE "C" NOT NULL,
        public_jwk jsonb NOT NULL,
        sealed_private_key text NOT NULL,
        not_before timestamptz(3) NOT NULL,
        retires_at timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT signing_keys_pkey PRIMARY KEY (kid)
      )`);
    await runner.query(`
      CREATE FUNCTION signing_keys_announce() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM announce_change('signing_keys', '*', NULL);
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER signing_keys_announce AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signing_keys
      FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_announce()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE signing_keys');
    await runner.query('DROP FUNCTION signing_keys_announce()');
  }
}
