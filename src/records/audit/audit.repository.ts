import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';

/** The caller's open transaction. */
export type AuditTransaction = EntityManager;

/** A row as it is stored. */
export interface AuditRow {
  readonly action: string;
  readonly actorType: string;
  readonly actorId: string | null;
  readonly userId: string | null;
  readonly subjectType: string;
  readonly subjectId: string | null;
  readonly address: string | null;
  readonly sessionId: string | null;
  readonly requestId: string | null;
  readonly outcome: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** When it was, in milliseconds by PostgreSQL's clock; null: now, as PostgreSQL finds. */
  readonly at: number | null;
}

/** In the order of the rows, so that their ids are in that of their times. */
const INSERT = `
  INSERT INTO audit_logs
    (at, action, actor_type, actor_id, user_id, subject_type, subject_id, address, session_id, request_id, outcome, details)
  SELECT coalesce(to_timestamp(row.at / 1000), clock_timestamp()), row.action, row."actorType", row."actorId", row."userId",
         row."subjectType", row."subjectId", row.address, row."sessionId", row."requestId", row.outcome, row.details
  FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS
    (at float8, action text, "actorType" text, "actorId" text, "userId" text, "subjectType" text, "subjectId" text,
     address text, "sessionId" text, "requestId" text, outcome text, details jsonb)) WITH ORDINALITY
    AS row (at, action, "actorType", "actorId", "userId", "subjectType", "subjectId", address, "sessionId", "requestId",
            outcome, details, place)
  ORDER BY row.place`;

/** Adds rows to the audit log. */
@Injectable()
export class AuditRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Adds rows in one statement, in `transaction` where there is one. Rejects with the driver's error. */
  async insert(rows: readonly AuditRow[], transaction: AuditTransaction = this.source.manager): Promise<void> {
    await transaction.query(INSERT, [JSON.stringify(rows)]);
  }
}
