import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { type PrincipalChange, PrincipalChanges } from '../principals/principal-changes.service.js';
import type { EndReason } from './sessions.repository.js';
import { SessionsRepository } from './sessions.repository.js';

/** Why a session ends, and who says so; `origin` null: what is written to the audit log is the caller's own. */
export interface SessionEnd {
  readonly reason: EndReason;
  readonly origin: AuditOrigin | null;
}

/** What ended. */
export interface EndedSessions {
  readonly ids: readonly string[];
  /** To be followed after the commit. */
  readonly change: PrincipalChange;
}

/** How sessions are ended. */
@Injectable()
export class SessionEnds {
  /** Sessions ended since start, by reason. */
  readonly stats: Partial<Record<EndReason, number>> = {};

  constructor(
    private readonly clock: DatabaseClock,
    private readonly repository: SessionsRepository,
    private readonly audit: AuditService,
    private readonly changes: PrincipalChanges,
  ) {}

  /** As `SessionsService.end`. */
  async one(
    userId: string,
    sessionId: string,
    end: SessionEnd,
    transaction: Transaction,
  ): Promise<EndedSessions | null> {
    await this.repository.lockUser(userId, transaction);
    const ids = await this.#end(userId, { ids: [sessionId] }, end.reason, transaction);
    if (ids.length === 0 && !(await this.repository.exists(userId, sessionId, transaction))) return null;
    if (ids.length > 0 && end.origin !== null)
      await this.audit.record(
        {
          action: 'session.end',
          origin: end.origin,
          subject: { type: 'session', id: sessionId },
          details: { user_id: userId, reason: end.reason },
        },
        transaction,
      );
    return { ids, change: await this.changes.changed(userId, transaction) };
  }

  /** As `SessionsService.endAllOf`. */
  async all(userId: string, except: string | null, end: SessionEnd, transaction: Transaction): Promise<EndedSessions> {
    await this.repository.lockUser(userId, transaction);
    const ids = await this.#end(userId, { except }, end.reason, transaction);
    if (ids.length > 0 && end.origin !== null)
      await this.audit.record(
        {
          action: 'session.end_all',
          origin: end.origin,
          subject: { type: 'user', id: userId },
          details: { reason: end.reason, ended: ids.length, kept_session_id: except },
        },
        transaction,
      );
    return { ids, change: await this.changes.changed(userId, transaction) };
  }

  async #end(
    userId: string,
    which: Parameters<SessionsRepository['end']>[1],
    reason: EndReason,
    transaction: Transaction,
  ): Promise<string[]> {
    const at = new Date(this.clock.now());
    const ids = await this.repository.end(userId, which, { at, reason }, transaction);
    this.stats[reason] = (this.stats[reason] ?? 0) + ids.length;
    return ids;
  }
}
