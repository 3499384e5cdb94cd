import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';

/** That a session was used: when, and from where. */
export interface SessionUse {
  readonly sessionId: string;
  readonly usedAt: Date;
  readonly address: string;
  readonly country: string | null;
}

/** A session found to be used from two countries at once. */
export interface DividedSession {
  readonly sessionId: string;
  readonly userId: string;
  readonly address: string;
  readonly country: string;
  readonly otherCountries: readonly string[];
}

export interface RecordedUses {
  /** Sessions that others held locked: their uses were not noted. */
  readonly locked: readonly string[];
  readonly divided: readonly DividedSession[];
}

/** Told of in one flush; others are told of in the next ones. */
const ALARMS = 200;
/** A user is told of at most once in this time, however often the countries change. */
const ALARM_EVERY = "interval '1 hour'";

/** Where a session was last used from: where it was signed in, until it was used. */
const LAST_COUNTRY = 'CASE WHEN seen_address IS NULL THEN country ELSE seen_country END';

/** The last use of each session, in PostgreSQL. */
@Injectable()
export class SessionUsesRepository {
  /**
   * Notes uses in one statement; one that is earlier than what is noted is dropped, and so is one of a session that has
   * ended. It never waits for a lock. A session's first use on a day or from a country is noted for the day as well.
   *
   * @param atOnceMs a use so long ago from another country, by this session or another live one of its user, divides it.
   */
  async record(uses: readonly SessionUse[], atOnceMs: number, transaction: Transaction): Promise<RecordedUses> {
    const rows = await transaction.query<
      { id: string; user_id: string; address: string; country: string | null; others: string[] | null }[]
    >(
      `WITH used AS (
         SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[]) AS u (id, at, address, country)
       ), free AS (
         SELECT id, last_seen_at AS before_at, ${LAST_COUNTRY} AS before_country FROM sessions
         WHERE id = ANY ($1::text[]) FOR NO KEY UPDATE SKIP LOCKED
       ), noted AS (
         UPDATE sessions AS session
         SET last_seen_at = used.at, seen_address = used.address, seen_country = used.country
         FROM used JOIN free USING (id)
         WHERE session.id = used.id AND session.ended_at IS NULL AND session.last_seen_at < used.at
         RETURNING session.id, session.user_id, session.device_id, used.at, used.address, used.country,
                   free.before_at, free.before_country
       ), active AS (
         INSERT INTO session_activity (day, session_id, country, user_id, device_id, opened)
         SELECT date_trunc('day', at, 'UTC'), id, coalesce(country, ''), user_id, device_id, false FROM noted
         WHERE date_trunc('day', at, 'UTC') <> date_trunc('day', before_at, 'UTC') OR country IS DISTINCT FROM before_country
         ON CONFLICT DO NOTHING
       )
       SELECT noted.id, noted.user_id, noted.address, noted.country, elsewhere.others
       FROM noted CROSS JOIN LATERAL (
         SELECT array_agg(DISTINCT place.country) AS others FROM (
           SELECT noted.before_country AS country WHERE noted.before_at > noted.at - make_interval(secs => $5)
           UNION ALL
           SELECT ${LAST_COUNTRY} FROM sessions AS other
           WHERE other.user_id = noted.user_id AND other.id <> noted.id AND other.ended_at IS NULL
             AND other.last_seen_at > noted.at - make_interval(secs => $5)
         ) AS place WHERE place.country <> noted.country
       ) AS elsewhere
       UNION ALL
       SELECT used.id, NULL, NULL, NULL, NULL FROM used JOIN sessions USING (id) WHERE used.id NOT IN (SELECT id FROM free)`,
      [
        uses.map(({ sessionId }) => sessionId),
        uses.map(({ usedAt }) => usedAt),
        uses.map(({ address }) => address),
        uses.map(({ country }) => country),
        atOnceMs / 1_000,
      ],
    );
    const divided = rows.flatMap(({ id, user_id: userId, address, country, others }) =>
      country === null || others === null ? [] : [{ sessionId: id, userId, address, country, otherCountries: others }],
    );
    return {
      locked: rows.filter((row) => row.user_id === null).map(({ id }) => id),
      divided: divided.length === 0 ? [] : await this.#toTell(divided, transaction),
    };
  }

  /** Those of users that were not told of lately, one of each; from now on they were. */
  async #toTell(divided: readonly DividedSession[], transaction: Transaction): Promise<DividedSession[]> {
    const ofUsers = [...new Map(divided.map((session) => [session.userId, session])).values()].slice(0, ALARMS);
    const [rows] = await transaction.query<[{ id: string }[], number]>(
      `UPDATE sessions AS session SET alarmed_at = clock_timestamp()
       WHERE id = ANY ($1::text[]) AND NOT EXISTS (
         SELECT 1 FROM sessions AS told
         WHERE told.user_id = session.user_id AND told.alarmed_at > clock_timestamp() - ${ALARM_EVERY})
       RETURNING id`,
      [ofUsers.map(({ sessionId }) => sessionId)],
    );
    const told = new Set(rows.map(({ id }) => id));
    return ofUsers.filter(({ sessionId }) => told.has(sessionId));
  }
}
