import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, type QueryRunner } from 'typeorm';

/** How long a lock is waited for. None of these locks holds up whoever reads or writes rows. */
const LOCK_TIMEOUT_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';
/** Says of a table that it was a partition and is to go, should its process have died before it did. */
const LEFTOVER = 'core-nest: was a partition of api_logs, is being dropped';

const PARTITIONS = `
  SELECT relname AS name,
         substring(pg_get_expr(relpartbound, oid) FROM $$FROM \\('([^']+)'\\)$$)::timestamptz AS lower,
         substring(pg_get_expr(relpartbound, oid) FROM $$TO \\('([^']+)'\\)$$)::timestamptz AS upper,
         inhdetachpending AS pending
  FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'api_logs'::regclass`;

interface Partition {
  readonly name: string;
  /** Its detachment was begun and waited in vain for a long query; null: it was detached. */
  readonly pending: boolean | null;
}

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
   * Drops the partitions that hold nothing from `time` on. Nobody who reads or writes waits for that: a partition first
   * leaves the table without a lock that they would queue behind. One that a long query still holds is left for the
   * next call.
   *
   * @returns the names of those that went. Rejects when PostgreSQL is away.
   */
  async dropBefore(time: Date): Promise<string[]> {
    const runner = this.database.createQueryRunner();
    try {
      await runner.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
      const old: Partition[] = await runner.query(
        `SELECT name, pending FROM (${PARTITIONS}) AS made WHERE upper <= $1
         UNION ALL SELECT relname, NULL FROM pg_class
         WHERE relkind = 'r' AND NOT relispartition AND obj_description(oid, 'pg_class') = '${LEFTOVER}'
         ORDER BY name`,
        [time],
      );
      const dropped: string[] = [];
      for (const partition of old) if (await drop(runner, partition)) dropped.push(partition.name);
      return dropped;
    } finally {
      await runner.query('RESET lock_timeout').catch(() => undefined);
      await runner.release();
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

async function drop(runner: QueryRunner, { name, pending }: Partition): Promise<boolean> {
  try {
    if (pending !== null) {
      await runner.query(`COMMENT ON TABLE "${name}" IS '${LEFTOVER}'`);
      await runner.query(`ALTER TABLE api_logs DETACH PARTITION "${name}" ${pending ? 'FINALIZE' : 'CONCURRENTLY'}`);
    }
    await runner.query(`DROP TABLE IF EXISTS "${name}"`);
    return true;
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === LOCK_NOT_AVAILABLE) return false;
    throw error;
  }
}

function iso(time: string | Date): string {
  return new Date(time).toISOString();
}
