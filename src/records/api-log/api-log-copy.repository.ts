import { Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { Settings } from '../../platform/config/settings.js';
import { OwnConnection } from '../../platform/database/own-connection.js';
import { dayOfLine, LINE_COLUMNS } from './api-log-line.js';
import { ApiLogPartitionsRepository } from './api-log-partitions.repository.js';

const DEADLINE_MS = 10_000;
const COLUMNS = LINE_COLUMNS.join(', ');
const COPY = `COPY api_logs (${COLUMNS}) FROM STDIN`;

/** Not waited for until it is on disk: it is about this process's end, not about the server's. */
const MARK = `
  INSERT INTO api_log_processes (process, issued, ended)
  SELECT $1::int, $2::int, $3::boolean FROM set_config('synchronous_commit', 'off', true)
  ON CONFLICT (process) DO UPDATE SET issued = EXCLUDED.issued, ended = EXCLUDED.ended, marked_at = clock_timestamp()`;

const UNIQUE_VIOLATION = '23505';
const CHECK_VIOLATION = '23514';
/** Data exceptions and integrity violations: sending the same rows again cannot help. */
const ABOUT_THE_ROWS = /^2[23]/;

/** Writes lines of the API log with COPY, on a connection of its own so that it never waits for the pool. */
@Injectable()
export class ApiLogCopyRepository {
  readonly #connection: OwnConnection;

  constructor(
    settings: Settings,
    private readonly partitions: ApiLogPartitionsRepository,
  ) {
    this.#connection = new OwnConnection(settings.DATABASE_URL);
  }

  /**
   * Writes the lines, each once however often it was sent before. A line that PostgreSQL will not take is left out, and
   * a partition that is missing is made.
   *
   * @returns how many lines were left out.
   * @throws whatever says that PostgreSQL is away or cannot write now, within ten seconds; the same lines may be sent
   * again, those that were written meanwhile included.
   */
  async write(lines: readonly string[]): Promise<number> {
    try {
      await this.#connection.use(DEADLINE_MS, (client) => copy(client, COPY, lines));
      return 0;
    } catch (error) {
      const code = sqlState(error);
      if (!ABOUT_THE_ROWS.test(code)) throw error;
      if (code === UNIQUE_VIOLATION) return this.#writeMissing(lines);
      if (code === CHECK_VIOLATION && (await this.partitions.ensureDays([...new Set(lines.map(dayOfLine))])) > 0)
        return this.write(lines);
      return this.#writeHalves(lines);
    }
  }

  /**
   * Notes how many rows a process has numbered, and whether it has ended. Rejects when PostgreSQL is away. Not to be
   * called while a write is under way.
   */
  async mark(process: number, issued: number, ended: boolean): Promise<void> {
    await this.#connection.use(DEADLINE_MS, (client) => client.query(MARK, [process, issued, ended]));
  }

  /** Cuts the connection. */
  close(): void {
    this.#connection.close();
  }

  /** For lines of which some were written by a COPY whose answer was lost. */
  async #writeMissing(lines: readonly string[]): Promise<number> {
    try {
      await this.#connection.use(DEADLINE_MS, async (client) => {
        await client.query('BEGIN');
        try {
          await client.query('CREATE TEMPORARY TABLE api_logs_again (LIKE api_logs) ON COMMIT DROP');
          await copy(client, `COPY api_logs_again (${COLUMNS}) FROM STDIN`, lines);
          await client.query(
            `INSERT INTO api_logs (${COLUMNS}) SELECT ${COLUMNS} FROM api_logs_again ON CONFLICT DO NOTHING`,
          );
          await client.query('COMMIT');
        } catch (error) {
          await client.query('ROLLBACK');
          throw error;
        }
      });
      return 0;
    } catch (error) {
      if (!ABOUT_THE_ROWS.test(sqlState(error))) throw error;
      return this.#writeHalves(lines);
    }
  }

  async #writeHalves(lines: readonly string[]): Promise<number> {
    if (lines.length <= 1) return lines.length;
    const middle = lines.length >> 1;
    return (await this.write(lines.slice(0, middle))) + (await this.write(lines.slice(middle)));
  }
}

function copy(client: Client, sql: string, lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = client.query(copyFrom(sql));
    stream.once('finish', resolve);
    stream.on('error', reject);
    stream.end(lines.join(''));
  });
}

function sqlState(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : '';
}
