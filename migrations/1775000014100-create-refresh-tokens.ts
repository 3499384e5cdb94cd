import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Refresh tokens and the families they come in, one for each sign-in. A token lies here as its digest; what it was
 * exchanged for does too, so that nothing in the database can be presented.
 *
 * `rotate_refresh_token` is the one statement that decides what becomes of a token. It locks the user first, as whoever
 * ends a session does: those who present the same token at the same time come one after the other, and each sees what the
 * one before has done.
 */
export class CreateRefreshTokens1775000014100 implements MigrationInterface {
  readonly name = 'CreateRefreshTokens1775000014100';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE refresh_families (
        id text COLLATE "C" NOT NULL,
        session_id text COLLATE "C" NOT NULL,
        epoch text NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL,
        ended_at timestamptz(3),
        end_reason text,
        CONSTRAINT refresh_families_pkey PRIMARY KEY (id),
        CONSTRAINT refresh_families_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX refresh_families_session_id_idx ON refresh_families (session_id)');
    await runner.query('CREATE INDEX refresh_families_expires_at_idx ON refresh_families (expires_at)');
    await runner.query(`
      CREATE TABLE refresh_tokens (
        hash text COLLATE "C" NOT NULL,
        family_id text COLLATE "C" NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL,
        used_at timestamptz(3),
        used_by text,
        successor_hash text COLLATE "C",
        CONSTRAINT refresh_tokens_pkey PRIMARY KEY (hash),
        CONSTRAINT refresh_tokens_family_id_fkey FOREIGN KEY (family_id) REFERENCES refresh_families (id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX refresh_tokens_family_id_idx ON refresh_tokens (family_id)');
    await runner.query('CREATE INDEX refresh_tokens_expires_at_idx ON refresh_tokens (expires_at)');
    await runner.query(CURRENT_EPOCH);
    await runner.query(ROTATE);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION rotate_refresh_token(text, text, text, timestamptz, integer, integer)');
    await runner.query('DROP FUNCTION current_token_epoch(text)');
    await runner.query('DROP TABLE refresh_tokens');
    await runner.query('DROP TABLE refresh_families');
  }
}

const CURRENT_EPOCH = `
  CREATE FUNCTION current_token_epoch(of_user text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT everything.epoch || '.' || users.token_epoch
    FROM users, token_epochs AS everything WHERE users.id = of_user AND everything.name = 'all'
  $$`;

const ROTATE = `
  CREATE FUNCTION rotate_refresh_token(
    presented text, successor text, holder text, at timestamptz, idle_seconds integer, retry_seconds integer,
    OUT outcome text, OUT family_id text, OUT session_id text, OUT user_id text, OUT epoch text,
    OUT authenticated_at timestamptz, OUT amr text[], OUT session_expires_at timestamptz,
    OUT session_idle_seconds integer, OUT expires_at timestamptz
  ) LANGUAGE plpgsql AS $$
  DECLARE
    token refresh_tokens;
    family refresh_families;
    session sessions;
    is_live boolean;
  BEGIN
    outcome := 'refused';
    SELECT owned.user_id INTO user_id FROM refresh_tokens AS given
      JOIN refresh_families AS line ON line.id = given.family_id
      JOIN sessions AS owned ON owned.id = line.session_id
      WHERE given.hash = presented;
    SELECT status = 'active' INTO is_live FROM users WHERE id = user_id FOR NO KEY UPDATE;
    SELECT * INTO token FROM refresh_tokens WHERE hash = presented;
    SELECT * INTO family FROM refresh_families WHERE id = token.family_id;
    SELECT * INTO session FROM sessions WHERE id = family.session_id;
    IF session.id IS NULL THEN
      RETURN;
    END IF;
    family_id := family.id;
    session_id := session.id;
    epoch := current_token_epoch(user_id);
    authenticated_at := session.authenticated_at;
    amr := session.amr;
    session_expires_at := session.expires_at;
    session_idle_seconds := session.idle_seconds;
    IF is_live IS NOT TRUE OR family.epoch IS DISTINCT FROM epoch
      OR family.ended_at IS NOT NULL OR family.expires_at <= at OR token.expires_at <= at
      OR session.ended_at IS NOT NULL OR session.expires_at <= at
      OR session.last_seen_at + make_interval(secs => session.idle_seconds) <= at
    THEN
      RETURN;
    END IF;
    IF token.used_at IS NULL THEN
      expires_at := LEAST(at + make_interval(secs => idle_seconds), family.expires_at);
      UPDATE refresh_tokens SET used_at = at, used_by = holder, successor_hash = successor WHERE hash = presented;
      INSERT INTO refresh_tokens (hash, family_id, created_at, expires_at) VALUES (successor, family.id, at, expires_at);
      outcome := 'rotated';
    ELSIF token.used_by = holder AND token.successor_hash = successor
      AND at < token.used_at + make_interval(secs => retry_seconds)
    THEN
      SELECT next.expires_at INTO expires_at FROM refresh_tokens AS next WHERE hash = successor;
      outcome := 'repeated';
    ELSE
      UPDATE refresh_families SET ended_at = at, end_reason = 'reuse' WHERE id = family.id AND ended_at IS NULL;
      IF FOUND THEN
        outcome := 'reused';
      END IF;
    END IF;
  END $$`;
