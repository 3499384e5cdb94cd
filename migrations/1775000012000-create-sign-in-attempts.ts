import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Wrong passwords, counted before they are looked at. An attempt is a row from the moment it may be hashed; a right one
 * is taken out again, so that what is left was wrong, is under way, or was under way in a process that died. The counters
 * of account, address and device are counts of these rows, decided under one lock in `reserve_sign_in`.
 *
 * Account and device are keyed digests: no e-mail address that somebody typed is stored.
 */
export class CreateSignInAttempts1775000012000 implements MigrationInterface {
  readonly name = 'CreateSignInAttempts1775000012000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE sign_in_attempts (
        id bigint GENERATED ALWAYS AS IDENTITY,
        account text COLLATE "C" NOT NULL,
        address text COLLATE "C" NOT NULL,
        device text COLLATE "C",
        at timestamptz(3) NOT NULL,
        decided_at timestamptz(3),
        forgiven boolean NOT NULL DEFAULT false,
        CONSTRAINT sign_in_attempts_pkey PRIMARY KEY (id)
      )`);
    await runner.query('CREATE INDEX sign_in_attempts_account_idx ON sign_in_attempts (account, at)');
    await runner.query('CREATE INDEX sign_in_attempts_address_idx ON sign_in_attempts (address, at)');
    await runner.query('CREATE INDEX sign_in_attempts_at_idx ON sign_in_attempts (at)');
    await this.#createDelay(runner);
    await this.#createReserve(runner);
    await this.#createForgive(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION forgive_sign_ins(bigint, text)');
    await runner.query('DROP FUNCTION reserve_sign_in(text, text, text, integer, integer, integer)');
    await runner.query(
      'DROP FUNCTION sign_in_wait(timestamptz, bigint, bigint, timestamptz, integer, integer, OUT text, OUT bigint)',
    );
    await runner.query('DROP TABLE sign_in_attempts');
  }

  /**
   * What one counter says: nothing, `busy` (as many are under way as may be; ask again when one is decided) or `delayed`.
   * The first \`free\` failures cost no delay; from there on it doubles from one second to fifteen minutes. What is under
   * way counts as failed, but makes nobody wait who would only have to wait for its decision.
   */
  async #createDelay(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION sign_in_wait(
        moment timestamptz, failures bigint, under_way bigint, latest timestamptz, free integer, burst integer,
        OUT verdict text, OUT wait_ms bigint
      ) LANGUAGE plpgsql IMMUTABLE AS $$
      DECLARE
        decided bigint := failures - under_way;
        ends timestamptz;
      BEGIN
        IF decided < free THEN
          IF under_way >= (CASE WHEN decided = 0 THEN burst ELSE free - decided END) THEN
            verdict := 'busy';
            wait_ms := 1000;
          END IF;
          RETURN;
        END IF;
        ends := latest + make_interval(secs => least(900, power(2, least(failures - free, 10))));
        IF ends > moment THEN
          verdict := 'delayed';
          wait_ms := ceil(extract(epoch FROM ends - moment) * 1000);
        END IF;
      END $$`);
  }

  /**
   * Reserves one attempt, or says why not. The locks are taken before anything is counted, and each statement of a
   * volatile function sees what was committed before it: so no two count the same. With a device that is known for the
   * account its counter and the known devices' share of the account are asked; without one, the rest of the account and
   * the address. An attempt that is under way may be right yet: it makes others wait for it, not for tomorrow.
   */
  async #createReserve(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION reserve_sign_in(
        its_account text, its_address text, its_device text,
        stranger_guesses integer, known_guesses integer, device_guesses integer
      ) RETURNS TABLE (attempt_id bigint, verdict text, counter text, wait_ms bigint, failures bigint, guesses bigint)
      LANGUAGE plpgsql VOLATILE AS $$
      DECLARE
        stranger boolean := its_device IS NULL;
        share integer := CASE WHEN its_device IS NULL THEN stranger_guesses ELSE known_guesses END;
        own_share integer := CASE WHEN its_device IS NULL THEN stranger_guesses ELSE device_guesses END;
        moment timestamptz;
        mine record;
        nearby record;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('core-nest:sign-in:account:' || its_account, 0));
        IF stranger THEN
          PERFORM pg_advisory_xact_lock(hashtextextended('core-nest:sign-in:address:' || its_address, 0));
        END IF;
        moment := clock_timestamp();

        SELECT count(*) AS guesses,
               count(*) FILTER (WHERE a.under_way) AS under_way,
               count(*) FILTER (WHERE a.own) AS own_guesses,
               count(*) FILTER (WHERE a.own AND a.under_way) AS own_under_way,
               count(*) FILTER (WHERE a.own AND NOT a.forgiven) AS failures,
               min(a.at) AS earliest,
               max(coalesce(a.decided_at, a.at)) FILTER (WHERE a.own AND NOT a.forgiven) AS latest
        INTO mine
        FROM (
          SELECT s.*, s.device IS NOT DISTINCT FROM its_device AS own,
                 s.decided_at IS NULL AND s.at > moment - interval '1 minute' AS under_way
          FROM sign_in_attempts s
          WHERE s.account = its_account AND s.at > moment - interval '1 day' AND (s.device IS NULL) = stranger
        ) a;
        failures := mine.failures + 1;
        guesses := mine.own_guesses + 1;

        counter := CASE WHEN stranger THEN 'account' ELSE 'device' END;
        IF mine.guesses - mine.under_way >= share OR mine.own_guesses - mine.own_under_way >= own_share THEN
          verdict := 'exhausted';
          wait_ms := ceil(extract(epoch FROM mine.earliest + interval '1 day' - moment) * 1000);
        ELSIF mine.guesses >= share OR mine.own_guesses >= own_share THEN
          verdict := 'busy';
          wait_ms := 1000;
        ELSE
          SELECT w.verdict, w.wait_ms INTO verdict, wait_ms
          FROM sign_in_wait(moment, mine.failures, mine.own_under_way, mine.latest, 3, 10) w;
        END IF;

        IF verdict IS NULL AND stranger THEN
          SELECT count(*) AS failures,
                 count(*) FILTER (WHERE a.decided_at IS NULL AND a.at > moment - interval '1 minute') AS under_way,
                 max(coalesce(a.decided_at, a.at)) AS latest
          INTO nearby
          FROM sign_in_attempts a
          WHERE a.address = its_address AND a.device IS NULL AND a.at > moment - interval '1 hour';
          SELECT w.verdict, w.wait_ms INTO verdict, wait_ms
          FROM sign_in_wait(moment, nearby.failures, nearby.under_way, nearby.latest, 20, 20) w;
          IF verdict IS NOT NULL THEN
            counter := 'address';
          END IF;
        END IF;

        IF verdict IS NULL THEN
          INSERT INTO sign_in_attempts (account, address, device, at)
          VALUES (its_account, its_address, its_device, moment)
          RETURNING id INTO attempt_id;
          verdict := 'reserved';
        END IF;
        RETURN NEXT;
      END $$`);
  }

  /** The attempt was right: it is none of the failures, and those before it delay nobody. Their number stays. */
  async #createForgive(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION forgive_sign_ins(right_attempt bigint, its_account text) RETURNS void
      LANGUAGE plpgsql VOLATILE AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('core-nest:sign-in:account:' || its_account, 0));
        DELETE FROM sign_in_attempts WHERE id = right_attempt;
        UPDATE sign_in_attempts SET forgiven = true
        WHERE account = its_account AND NOT forgiven
          AND (decided_at IS NOT NULL OR at < clock_timestamp() - interval '1 minute');
      END $$`);
  }
}
