import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inShortLock } from './support/short-lock.js';

/**
 * Where sessions are used from, the devices and countries a user is known by, and what sessions amount to by day. The days
 * are made from `session_activity`, which knows users and sessions by id alone, so that they outlast both. It
 * can be run again after it broke off anywhere.
 */
export class CreateSessionPlaces1775000013000 implements MigrationInterface {
  readonly name = 'CreateSessionPlaces1775000013000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await inShortLock(runner, 'Adding columns to sessions', () =>
      runner.query(`
        ALTER TABLE sessions
          ADD COLUMN IF NOT EXISTS seen_address text,
          ADD COLUMN IF NOT EXISTS seen_country text,
          ADD COLUMN IF NOT EXISTS alarmed_at timestamptz(3)`),
    );
    await runner.query(
      'CREATE INDEX IF NOT EXISTS sessions_expires_at_idx ON sessions (expires_at) WHERE ended_at IS NULL',
    );
    await runner.query(
      'CREATE INDEX IF NOT EXISTS sessions_ended_at_idx ON sessions (ended_at) WHERE ended_at IS NOT NULL',
    );
    await runner.query(`
      CREATE TABLE IF NOT EXISTS known_devices (
        user_id text COLLATE "C" NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        first_seen_at timestamptz(3) NOT NULL,
        last_seen_at timestamptz(3) NOT NULL,
        CONSTRAINT known_devices_pkey PRIMARY KEY (user_id, device_id),
        CONSTRAINT known_devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
      )`);
    await runner.query(`
      CREATE TABLE IF NOT EXISTS known_countries (
        user_id text COLLATE "C" NOT NULL,
        country text COLLATE "C" NOT NULL,
        first_seen_at timestamptz(3) NOT NULL,
        last_seen_at timestamptz(3) NOT NULL,
        CONSTRAINT known_countries_pkey PRIMARY KEY (user_id, country),
        CONSTRAINT known_countries_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
      )`);
    await runner.query(`
      CREATE TABLE IF NOT EXISTS session_activity (
        day timestamptz(3) NOT NULL,
        session_id text COLLATE "C" NOT NULL,
        country text COLLATE "C" NOT NULL,
        user_id text COLLATE "C" NOT NULL,
        device_id text COLLATE "C",
        opened boolean NOT NULL,
        CONSTRAINT session_activity_pkey PRIMARY KEY (day, session_id, country)
      )`);
    await runner.query(`
      CREATE TABLE IF NOT EXISTS session_days (
        day timestamptz(3) NOT NULL,
        country text COLLATE "C" NOT NULL,
        opened integer NOT NULL,
        sessions integer NOT NULL,
        users integer NOT NULL,
        devices integer NOT NULL,
        countries integer NOT NULL,
        CONSTRAINT session_days_pkey PRIMARY KEY (day, country)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['session_days', 'session_activity', 'known_countries', 'known_devices'])
      await runner.query(`DROP TABLE IF EXISTS ${table}`);
    await runner.query('DROP INDEX IF EXISTS sessions_ended_at_idx, sessions_expires_at_idx');
    await inShortLock(runner, 'Dropping columns of sessions', () =>
      runner.query(`
        ALTER TABLE sessions
          DROP COLUMN IF EXISTS alarmed_at, DROP COLUMN IF EXISTS seen_country, DROP COLUMN IF EXISTS seen_address`),
    );
  }
}
