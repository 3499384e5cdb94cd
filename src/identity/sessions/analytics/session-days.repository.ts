import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Settings } from '../../../platform/config/settings.js';
import { OwnConnection } from '../../../platform/database/own-connection.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import type { SessionDayView } from './session-days.dto.js';

/** Longer than a day of the busiest installation takes; other statements of ours may take three seconds. */
const DEADLINE_MS = 60_000;

/** The country of a session whose address has none; one of those ISO leaves to its users. */
const UNKNOWN = 'ZZ';

/**
 * One pass over a day, any number of times: its rows are only ever added to, until they are forgotten, so that the day
 * amounts to the most it ever amounted to.
 */
const AGGREGATE = `
  INSERT INTO session_days AS earlier (day, country, opened, sessions, users, devices, countries)
  SELECT $1, CASE WHEN grouping(country) = 1 THEN '' ELSE coalesce(nullif(country, ''), '${UNKNOWN}') END,
         count(DISTINCT session_id) FILTER (WHERE opened), count(DISTINCT session_id), count(DISTINCT user_id),
         count(DISTINCT device_id), count(DISTINCT nullif(country, ''))
  FROM session_activity WHERE day = $1
  GROUP BY GROUPING SETS ((), (country)) HAVING count(*) > 0
  ON CONFLICT (day, country) DO UPDATE SET
    opened = greatest(earlier.opened, EXCLUDED.opened), sessions = greatest(earlier.sessions, EXCLUDED.sessions),
    users = greatest(earlier.users, EXCLUDED.users), devices = greatest(earlier.devices, EXCLUDED.devices),
    countries = greatest(earlier.countries, EXCLUDED.countries)`;

const COLUMNS = `to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS day, nullif(country, '') AS country, opened,
  sessions, users, devices, countries`;

/** Days of sessions, made on a connection of its own, because that reads long. Every method rejects when PostgreSQL is away. */
@Injectable()
export class SessionDaysRepository {
  readonly #connection: OwnConnection;

  constructor(
    @InjectDataSource() private readonly source: DataSource,
    settings: Settings,
  ) {
    this.#connection = new OwnConnection(settings.DATABASE_URL);
  }

  /** The days of which there is activity, the first one first. */
  async activeDays(): Promise<Date[]> {
    const rows = await this.#rows<{ day: Date }>('SELECT DISTINCT day FROM session_activity ORDER BY day');
    return rows.map(({ day }) => day);
  }

  /** Makes this day anew, whole or not at all; two that do it at the same time make the same of it. */
  async aggregate(day: Date): Promise<void> {
    await this.#rows(AGGREGATE, [day]);
  }

  /** Forgets activity of before `activity`, whose days are made and stay, and days of before `days`. */
  async forgetBefore(activity: Date, days: Date): Promise<void> {
    await this.#rows('DELETE FROM session_activity WHERE day < $1', [activity]);
    await this.#rows('DELETE FROM session_days WHERE day < $1', [days]);
  }

  /** Cuts the connection; the next use opens another. */
  close(): void {
    this.#connection.close();
  }

  /** The rows of a page, and one more when there are more: of all countries together, of one, or of each. */
  list({ filters, after, descending, limit }: ListQuery<'day'>): Promise<SessionDayView[]> {
    const values: unknown[] = [];
    const place = (value: unknown) => `$${values.push(value)}`;
    const { from, to, country, by } = filters;
    const conditions = [
      by === 'country' && country === undefined ? "country <> ''" : `country = ${place(country ?? '')}`,
    ];
    if (from !== undefined) conditions.push(`day >= ${place(from)}`);
    if (to !== undefined) conditions.push(`day < ${place(to)}`);
    if (after !== null)
      conditions.push(
        `(session_days.day, session_days.country) ${descending ? '<' : '>'} (${place(after[0])}::timestamptz, ${place(after[1])}::text)`,
      );
    const direction = descending ? 'DESC' : 'ASC';
    return this.source.query(
      `SELECT ${COLUMNS} FROM session_days WHERE ${conditions.join(' AND ')}
       ORDER BY session_days.day ${direction}, session_days.country ${direction} LIMIT ${limit + 1}`,
      values,
    );
  }

  #rows<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.#connection.use(DEADLINE_MS, async (client) => (await client.query<Row>(sql, values)).rows);
  }
}
