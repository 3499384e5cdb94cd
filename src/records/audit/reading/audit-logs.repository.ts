import { Injectable } from '@nestjs/common';
import { ServiceUnavailableError } from '../../../kernel/app-error.js';
import { ReadDatabase } from '../../../platform/database/read-database.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import type { AuditLogDto } from './audit-logs.dto.js';

/** What the search of a page may take: each filter alone takes a millisecond or two. */
const TIMEOUT_MS = 1_500;
const QUERY_CANCELED = '57014';

/** How each filter narrows the rows. */
const CONDITIONS: Readonly<Record<string, (value: string) => string>> = {
  created_after: (value) => `at > ${value}`,
  created_before: (value) => `at < ${value}`,
  action: (value) => `action = ${value}`,
  // The first says nothing new, but it is what the index is on.
  outcome: (value) => `(outcome <> 'succeeded' OR ${value} = 'succeeded') AND outcome = ${value}`,
  actor_type: (value) => `actor_type = ${value}`,
  actor_id: (value) => `actor_id = ${value}`,
  user_id: (value) => `user_id = ${value}`,
  subject_type: (value) => `subject_type = ${value}`,
  subject_id: (value) => `subject_id = ${value}`,
  session_id: (value) => `session_id = ${value}`,
  request_id: (value) => `request_id = ${value}`,
};

const COLUMNS = `id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at, action, outcome,
  actor_type, actor_id, user_id, subject_type, subject_id, address, session_id, request_id, details`;

export type AuditLogQuery = ListQuery<'created_at'>;

/** Reads the audit log, from the read replica where there is one. */
@Injectable()
export class AuditLogsRepository {
  constructor(private readonly database: ReadDatabase) {}

  /**
   * The rows of a page, and one more when there are more.
   *
   * @throws ServiceUnavailableError when the search takes too long. What says that PostgreSQL is away is passed on.
   */
  async list(query: AuditLogQuery): Promise<AuditLogDto[]> {
    const { sql, values } = listStatement(query);
    try {
      return await this.database.run((source) =>
        source.transaction(async (manager) => {
          await manager.query(`SET LOCAL statement_timeout = ${TIMEOUT_MS}`);
          return manager.query(sql, values);
        }),
      );
    } catch (error) {
      if (!(error instanceof Error && Reflect.get(error, 'code') === QUERY_CANCELED)) throw error;
      throw new ServiceUnavailableError(
        'The search took too long. Narrow it: by created_after and created_before, actor_id or subject_id.',
      );
    }
  }
}

/** The statement of a page's rows: by position, so that its cost does not grow with the pages before. */
function listStatement(query: AuditLogQuery): { sql: string; values: unknown[] } {
  const values: unknown[] = [];
  const place = (value: unknown) => `$${values.push(value)}`;
  const conditions = Object.entries(query.filters).map(([name, value]) => CONDITIONS[name]?.(place(value)));
  if (query.after !== null) {
    const [time, id] = query.after;
    conditions.push(`(at, id) ${query.descending ? '<' : '>'} (${place(time)}::timestamptz, ${place(id)}::bigint)`);
  }
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const direction = query.descending ? 'DESC' : 'ASC';
  return {
    sql: `SELECT ${COLUMNS} FROM audit_logs ${where}
      ORDER BY at ${direction}, audit_logs.id ${direction} LIMIT ${place(query.limit + 1)}`,
    values,
  };
}
