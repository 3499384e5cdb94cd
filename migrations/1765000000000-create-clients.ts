import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Clients, their secrets, and the outbox of revocations that Redis has not been told of yet.
 *
 * Versions come from one sequence and are taken by triggers, so that a change made by hand in SQL, and an id that was
 * deleted and made again, get a version that no cache has ever seen. The sequence must not be cached per session:
 * versions of one client have to rise in the order of its changes.
 */
export class CreateClients1765000000000 implements MigrationInterface {
  readonly name = 'CreateClients1765000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE SEQUENCE client_version_seq AS bigint CACHE 1');
    await runner.query(`
      CREATE TABLE clients (
        client_id text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        environment text NOT NULL,
        tier text NOT NULL,
        scopes text[] NOT NULL,
        status text NOT NULL,
        expires_at timestamptz(3),
        version bigint NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT clients_pkey PRIMARY KEY (client_id),
        CONSTRAINT clients_environment_check CHECK (environment IN ('live', 'test')),
        CONSTRAINT clients_status_check CHECK (status IN ('active', 'disabled'))
      )`);
    await runner.query('CREATE INDEX clients_created_at_idx ON clients (created_at, client_id)');
    await runner.query('CREATE INDEX clients_name_idx ON clients (name, client_id)');
    await runner.query(`
      CREATE TABLE client_secrets (
        id text COLLATE "C" NOT NULL,
        client_id text COLLATE "C" NOT NULL,
        hashed_secret text NOT NULL,
        hint text NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3),
        last_used_at timestamptz(3),
        CONSTRAINT client_secrets_pkey PRIMARY KEY (id),
        CONSTRAINT client_secrets_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients (client_id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX client_secrets_client_id_idx ON client_secrets (client_id)');
    await runner.query(`
      CREATE TABLE credential_fences (
        client_id text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT credential_fences_pkey PRIMARY KEY (client_id)
      )`);
    await runner.query('CREATE INDEX credential_fences_created_at_idx ON credential_fences (created_at)');

    await runner.query(`
      CREATE FUNCTION clients_take_version() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.version := nextval('client_version_seq');
        IF TG_OP = 'UPDATE' THEN
          NEW.updated_at := now();
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER clients_take_version BEFORE INSERT OR UPDATE ON clients
      FOR EACH ROW EXECUTE FUNCTION clients_take_version()`);

    await runner.query(`
      CREATE FUNCTION client_secrets_touch_client() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP <> 'INSERT' THEN
          UPDATE clients SET updated_at = now() WHERE client_id = OLD.client_id;
        END IF;
        IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.client_id <> OLD.client_id) THEN
          UPDATE clients SET updated_at = now() WHERE client_id = NEW.client_id;
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER client_secrets_touch_client
      AFTER INSERT OR DELETE OR UPDATE OF id, client_id, hashed_secret, hint, expires_at ON client_secrets
      FOR EACH ROW EXECUTE FUNCTION client_secrets_touch_client()`);

    await runner.query(`
      CREATE FUNCTION client_secrets_touch_all_clients() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE clients SET updated_at = now();
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER client_secrets_touch_all_clients AFTER TRUNCATE ON client_secrets
      FOR EACH STATEMENT EXECUTE FUNCTION client_secrets_touch_all_clients()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE credential_fences');
    await runner.query('DROP TABLE client_secrets');
    await runner.query('DROP TABLE clients');
    await runner.query('DROP FUNCTION client_secrets_touch_all_clients()');
    await runner.query('DROP FUNCTION client_secrets_touch_client()');
    await runner.query('DROP FUNCTION clients_take_version()');
    await runner.query('DROP SEQUENCE client_version_seq');
  }
}
