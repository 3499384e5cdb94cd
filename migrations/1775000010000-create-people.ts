import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inShortLock, statementInShortLock } from './support/short-lock.js';

/**
 * Users with their grants and sessions, the tokens that were revoked before their time, and whose a client is.
 *
 * What a replica remembers of a user is one record under one version. Whatever ends or narrows something raises it, by
 * triggers, and is announced to the replicas: changes by hand in SQL count. What only adds does not (a new session, the
 * time one was last used), because nobody is refused on a record that is not certain. A key may do no more than its
 * owner, so a change of the owner gives its keys a new version as well, and leaves word for Redis.
 *
 * A client's column and triggers are waited for in short tries. It can be run again after it broke off anywhere.
 */
export class CreatePeople1775000010000 implements MigrationInterface {
  readonly name = 'CreatePeople1775000010000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...TABLES, ...FUNCTIONS, ...TRIGGERS]) await runner.query(statement);
    await inShortLock(runner, 'Adding a column to clients', async () => {
      await runner.query('ALTER TABLE clients ADD COLUMN IF NOT EXISTS owner_id text COLLATE "C"');
      await runner.query('ALTER TABLE clients DROP CONSTRAINT IF EXISTS clients_owner_id_fkey');
      await runner.query(`
        ALTER TABLE clients ADD CONSTRAINT clients_owner_id_fkey
        FOREIGN KEY (owner_id) REFERENCES users (id) NOT VALID`);
    });
    await statementInShortLock(runner, 'ALTER TABLE clients VALIDATE CONSTRAINT clients_owner_id_fkey');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS clients_owner_id_idx');
    await runner.query(`
      CREATE INDEX CONCURRENTLY clients_owner_id_idx ON clients (owner_id, created_at, client_id)
      WHERE owner_id IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await inShortLock(runner, 'Dropping a column of clients', () =>
      runner.query('ALTER TABLE clients DROP COLUMN IF EXISTS owner_id'),
    );
    for (const table of ['token_epochs', 'revoked_tokens', 'grants', 'role_parents', 'role_permissions', 'roles'])
      await runner.query(`DROP TABLE IF EXISTS ${table}`);
    await runner.query('DROP TABLE IF EXISTS sessions');
    await runner.query('DROP TABLE IF EXISTS users');
    for (const name of FUNCTION_NAMES) await runner.query(`DROP FUNCTION IF EXISTS ${name}`);
    await runner.query('DROP SEQUENCE IF EXISTS user_version_seq');
  }
}

const TABLES = [
  // Not cached per session: versions of one user have to rise in the order of its changes.
  'CREATE SEQUENCE IF NOT EXISTS user_version_seq AS bigint CACHE 1',
  `CREATE TABLE IF NOT EXISTS users (
    id text COLLATE "C" NOT NULL,
    email text NOT NULL,
    email_key text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    status text NOT NULL,
    email_verified_at timestamptz(3),
    password_hash text,
    password_changed_at timestamptz(3),
    tier text NOT NULL DEFAULT 'paid',
    token_epoch integer NOT NULL DEFAULT 0,
    version bigint NOT NULL,
    created_at timestamptz(3) NOT NULL DEFAULT now(),
    updated_at timestamptz(3) NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key_key UNIQUE (email_key),
    CONSTRAINT users_status_check CHECK (status IN ('invited', 'active', 'suspended'))
  )`,
  'CREATE INDEX IF NOT EXISTS users_created_at_idx ON users (created_at, id)',
  `CREATE TABLE IF NOT EXISTS sessions (
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    secret_hash text,
    method text NOT NULL,
    amr text[] NOT NULL DEFAULT '{}',
    mfa boolean NOT NULL DEFAULT false,
    authenticated_at timestamptz(3) NOT NULL DEFAULT now(),
    device_id text,
    device text,
    address text,
    country text,
    created_at timestamptz(3) NOT NULL DEFAULT now(),
    last_seen_at timestamptz(3) NOT NULL DEFAULT now(),
    idle_seconds integer NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    ended_at timestamptz(3),
    end_reason text,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT sessions_kind_check CHECK (kind IN ('token', 'cookie'))
  )`,
  'CREATE INDEX IF NOT EXISTS sessions_user_id_idx ON sessions (user_id, created_at, id)',
  `CREATE INDEX IF NOT EXISTS sessions_live_idx ON sessions (user_id, created_at) WHERE ended_at IS NULL`,
  `CREATE TABLE IF NOT EXISTS roles (
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    description text NOT NULL DEFAULT '',
    builtin boolean NOT NULL DEFAULT false,
    created_at timestamptz(3) NOT NULL DEFAULT now(),
    updated_at timestamptz(3) NOT NULL DEFAULT now(),
    CONSTRAINT roles_pkey PRIMARY KEY (id),
    CONSTRAINT roles_name_key UNIQUE (name)
  )`,
  `CREATE TABLE IF NOT EXISTS role_permissions (
    role_id text COLLATE "C" NOT NULL,
    permission text COLLATE "C" NOT NULL,
    CONSTRAINT role_permissions_pkey PRIMARY KEY (role_id, permission),
    CONSTRAINT role_permissions_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
  )`,
  `CREATE TABLE IF NOT EXISTS role_parents (
    role_id text COLLATE "C" NOT NULL,
    parent_id text COLLATE "C" NOT NULL,
    CONSTRAINT role_parents_pkey PRIMARY KEY (role_id, parent_id),
    CONSTRAINT role_parents_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE,
    CONSTRAINT role_parents_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES roles (id)
  )`,
  'CREATE INDEX IF NOT EXISTS role_parents_parent_id_idx ON role_parents (parent_id)',
  `CREATE TABLE IF NOT EXISTS grants (
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    role_id text COLLATE "C" NOT NULL,
    effect text NOT NULL,
    scope_type text NOT NULL,
    scope_resource text,
    scope_id text COLLATE "C",
    conditions jsonb,
    expires_at timestamptz(3),
    reason text NOT NULL DEFAULT '',
    granted_by text COLLATE "C",
    created_at timestamptz(3) NOT NULL DEFAULT now(),
    CONSTRAINT grants_pkey PRIMARY KEY (id),
    CONSTRAINT grants_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT grants_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles (id),
    CONSTRAINT grants_effect_check CHECK (effect IN ('allow', 'deny')),
    CONSTRAINT grants_scope_check CHECK (
      (scope_type = 'all' AND scope_resource IS NULL AND scope_id IS NULL)
      OR (scope_type = 'client' AND scope_resource IS NULL AND scope_id IS NOT NULL)
      OR (scope_type = 'resource' AND scope_resource IS NOT NULL AND scope_id IS NOT NULL))
  )`,
  'CREATE INDEX IF NOT EXISTS grants_user_id_idx ON grants (user_id, created_at, id)',
  'CREATE INDEX IF NOT EXISTS grants_role_id_idx ON grants (role_id)',
  `CREATE TABLE IF NOT EXISTS revoked_tokens (
    jti text COLLATE "C" NOT NULL,
    user_id text COLLATE "C",
    client_id text COLLATE "C",
    expires_at timestamptz(3) NOT NULL,
    CONSTRAINT revoked_tokens_pkey PRIMARY KEY (jti)
  )`,
  'CREATE INDEX IF NOT EXISTS revoked_tokens_user_id_idx ON revoked_tokens (user_id) WHERE user_id IS NOT NULL',
  'CREATE INDEX IF NOT EXISTS revoked_tokens_client_id_idx ON revoked_tokens (client_id) WHERE client_id IS NOT NULL',
  'CREATE INDEX IF NOT EXISTS revoked_tokens_expires_at_idx ON revoked_tokens (expires_at)',
  `CREATE TABLE IF NOT EXISTS token_epochs (
    name text NOT NULL,
    epoch integer NOT NULL DEFAULT 0,
    CONSTRAINT token_epochs_pkey PRIMARY KEY (name)
  )`,
  `INSERT INTO token_epochs (name) VALUES ('all') ON CONFLICT DO NOTHING`,
];

const FUNCTION_NAMES = [
  'users_take_version()',
  'users_announce()',
  'users_touch(text)',
  'user_rows_touch_user()',
  'user_rows_touch_all_users()',
  'revoked_tokens_touch_subject()',
  'token_epochs_announce()',
  'grants_of(text, timestamptz)',
  'milliseconds_of(timestamptz)',
];

const FUNCTIONS = [
  `CREATE OR REPLACE FUNCTION milliseconds_of(at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS
   'SELECT CASE WHEN isfinite(at) THEN floor(extract(epoch FROM at) * 1000)::bigint END'`,
  // The shape in which replicas remember grants, for users and for the owners of keys.
  `CREATE OR REPLACE FUNCTION grants_of(who text, at timestamptz) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT coalesce(json_agg(json_build_object(
      'id', id, 'roleId', role_id, 'effect', effect,
      'scope', json_strip_nulls(json_build_object('type', scope_type, 'resource', scope_resource, 'id', scope_id)),
      'conditions', conditions, 'expiresAt', milliseconds_of(expires_at)) ORDER BY id), '[]')
    FROM grants WHERE user_id = who AND (expires_at IS NULL OR expires_at > at)
  $$`,
  `CREATE OR REPLACE FUNCTION users_take_version() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    NEW.version := nextval('user_version_seq');
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'version' <> to_jsonb(OLD) - 'version' THEN
      NEW.updated_at := now();
    END IF;
    RETURN NEW;
  END $$`,
  `CREATE OR REPLACE FUNCTION users_announce() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP = 'TRUNCATE' THEN
      PERFORM announce_change('user', '*', nextval('user_version_seq'));
      RETURN NULL;
    END IF;
    PERFORM announce_change('user', OLD.id, CASE TG_OP WHEN 'DELETE' THEN nextval('user_version_seq') ELSE NEW.version END);
    WITH touched AS (
      UPDATE clients SET updated_at = updated_at WHERE owner_id = OLD.id RETURNING client_id, version
    )
    INSERT INTO credential_fences AS fence (client_id, version) SELECT client_id, version FROM touched
    ON CONFLICT (client_id) DO UPDATE SET version = GREATEST(fence.version, EXCLUDED.version);
    RETURN NULL;
  END $$`,
  `CREATE OR REPLACE FUNCTION users_touch(who text) RETURNS void LANGUAGE sql AS
   'UPDATE users SET version = version WHERE id = who'`,
  `CREATE OR REPLACE FUNCTION user_rows_touch_user() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP <> 'INSERT' THEN
      PERFORM users_touch(OLD.user_id);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.user_id <> OLD.user_id) THEN
      PERFORM users_touch(NEW.user_id);
    END IF;
    RETURN NULL;
  END $$`,
  `CREATE OR REPLACE FUNCTION user_rows_touch_all_users() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE users SET version = version;
    RETURN NULL;
  END $$`,
  `CREATE OR REPLACE FUNCTION revoked_tokens_touch_subject() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.user_id IS NOT NULL THEN
      PERFORM users_touch(NEW.user_id);
    END IF;
    IF NEW.client_id IS NOT NULL THEN
      UPDATE clients SET updated_at = updated_at WHERE client_id = NEW.client_id;
    END IF;
    RETURN NULL;
  END $$`,
  `CREATE OR REPLACE FUNCTION token_epochs_announce() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM announce_change('user', '*', nextval('user_version_seq'));
    PERFORM announce_change('client', '*', nextval('client_version_seq'));
    RETURN NULL;
  END $$`,
];

const TRIGGERS = [
  `CREATE OR REPLACE TRIGGER users_take_version BEFORE INSERT OR UPDATE ON users
   FOR EACH ROW EXECUTE FUNCTION users_take_version()`,
  `CREATE OR REPLACE TRIGGER users_announce AFTER UPDATE OR DELETE ON users
   FOR EACH ROW EXECUTE FUNCTION users_announce()`,
  `CREATE OR REPLACE TRIGGER users_announce_truncate AFTER TRUNCATE ON users
   FOR EACH STATEMENT EXECUTE FUNCTION users_announce()`,
  `CREATE OR REPLACE TRIGGER grants_touch_user AFTER INSERT OR UPDATE OR DELETE ON grants
   FOR EACH ROW EXECUTE FUNCTION user_rows_touch_user()`,
  `CREATE OR REPLACE TRIGGER grants_touch_all_users AFTER TRUNCATE ON grants
   FOR EACH STATEMENT EXECUTE FUNCTION user_rows_touch_all_users()`,
  `CREATE OR REPLACE TRIGGER sessions_touch_user
   AFTER UPDATE OF user_id, kind, secret_hash, amr, mfa, authenticated_at, idle_seconds, expires_at, ended_at ON sessions
   FOR EACH ROW WHEN (OLD.ended_at IS NULL) EXECUTE FUNCTION user_rows_touch_user()`,
  `CREATE OR REPLACE TRIGGER sessions_touch_user_delete AFTER DELETE ON sessions
   FOR EACH ROW WHEN (OLD.ended_at IS NULL) EXECUTE FUNCTION user_rows_touch_user()`,
  `CREATE OR REPLACE TRIGGER sessions_touch_all_users AFTER TRUNCATE ON sessions
   FOR EACH STATEMENT EXECUTE FUNCTION user_rows_touch_all_users()`,
  `CREATE OR REPLACE TRIGGER revoked_tokens_touch_subject AFTER INSERT ON revoked_tokens
   FOR EACH ROW EXECUTE FUNCTION revoked_tokens_touch_subject()`,
  `CREATE OR REPLACE TRIGGER token_epochs_announce AFTER UPDATE ON token_epochs
   FOR EACH ROW EXECUTE FUNCTION token_epochs_announce()`,
];
