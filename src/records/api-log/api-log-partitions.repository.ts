import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

/** How long a lock is waited for: it is also how long a reader may queue behind one that is not granted. */
const LOCK_TIMEOUT_MS = 500;

const PARTITIONS = `
  SELECT relname AS name,
         substring(pg_get_expr(relpartbound, oid) FROM $$FROM \\('([^']+)'\\)$$)::timestamptz AS lower,
         substring(pg_get_expr(relpartbound, oid) FROM $$TO \\('([^']+)'\\)$$)::timestamptz AS upper
  FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'api_logs'::regclass)`;

/** The day partitions of `api_logs`. Replicas that change them at the same time take turns. */
@Injectable()
export class ApiLogPartitionsRepository {
  constructor(private readonly database: DataSource) {}

  /**
   * Makes the partitions of these UTC days (`YYYY-MM-DD`) that are missing, without holding up readers or writers.
   *
   * @returns how many of the days were missing. Rejects when PostgreSQL is away.
   */
  ensureDays(days: readonly string[]): Promise<number> {
    return this.#alone(async (manager) => {
      const missing: { name: string; lower: string; upper: string }[] = await manager.query(
        `SELECT 'api_logs_' || to_char(day, 'YYYY_MM_DD') AS name, lower, upper
         FROM (SELECT day, day::timestamp AT TIME ZONE 'UTC' AS lower, (day + 1)::timestamp AT TIME ZONE 'UTC' AS upper
               FROM unnest($1::date[]) AS day) AS wanted
         WHERE NOT EXISTS (SELECT FROM (${PARTITIONS}) AS made
                           WHERE coalesce(made.lower, '-infinity') <= wanted.lower AND made.upper >= wanted.upper)`,
        [days],
      );
      for (const { name, lower, upper } of missing) {
        await manager.query(`CREATE TABLE ${name} (LIKE api_logs INCLUDING DEFAULTS INCLUDING INDEXES)`);
        await manager.query(
          `ALTER TABLE api_logs ATTACH PARTITION ${name} FOR VALUES FROM ('${iso(lower)}') TO ('${iso(upper)}')`,
        );
      }
      return missing.length;
    });
  }

  /**
   * Drops the partitions that hold nothing from `time` on. One that a long query holds is left for the next call.
   *
   * @returns the names of those that went. Rejects when PostgreSQL is away.
   */
  async dropBefore(time: Date): Promise<string[]> {
    const old: { name: string }[] = await this.database.query(
      `SELECT name FROM (${PARTITIONS}) AS made WHERE upper <= $1 ORDER BY upper`,
      [time],
    );
    const dropped: string[] = [];
    for (const { name } of old) if (await this.#drop(name)) dropped.push(name);
    return dropped;
  }

  async #drop(name: string): Promise<boolean> {
    try {
      await this.#alone((manager) => manager.query(`DROP TABLE IF EXISTS "${name}"`));
      return true;
    } catch (error) {
      if (error instanceof Error && Reflect.get(error, 'code') === '55P03') return false;
      throw error;
    }
  }

  #alone<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.database.transaction(async (manager) => {
      await manager.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('core-nest:api-log-partitions:change', 0))`);
      return work(manager);
    });
  }
}

function iso(time: string | Date): string {
  return new Date(time).toISOString();
}
