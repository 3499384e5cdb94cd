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
  readonly subjectType: string;
  readonly subjectId: string | null;
  readonly address: string | null;
  readonly requestId: string | null;
  readonly outcome: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Adds rows to the audit log. */
@Injectable()
export class AuditRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Adds a row, in `transaction` where there is one. Rejects with the driver's error. */
  async insert(row: AuditRow, transaction: AuditTransaction = this.source.manager): Promise<void> {
    await transaction.query(
      `INSERT INTO audit_logs
         (action, actor_type, actor_id, subject_type, subject_id, address, request_id, outcome, details)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        row.action,
        row.actorType,
        row.actorId,
        row.subjectType,
        row.subjectId,
        row.address,
        row.requestId,
        row.outcome,
        JSON.stringify(row.details),
      ],
    );
  }
}
