import { Injectable } from '@nestjs/common';
import { ServiceUnavailableError } from '../../kernel/app-error.js';
import { selfOf } from '../../kernel/auth-state.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { logError } from '../../platform/logging/log-error.js';
import { AuditRepository, type AuditRow, type AuditTransaction } from './audit.repository.js';
import type { AuditAction, AuditActor, AuditOutcome, AuditSubject } from './audit-actions.js';
import { type AuditDetails, storedDetails, storedText } from './audit-details.js';

const RETRY_AFTER_SECONDS = 5;

/** Who did it, and from where. */
export interface AuditOrigin {
  readonly actorType: AuditActor;
  readonly actorId: string | null;
  readonly address: string | null;
  readonly requestId: string | null;
  /** The user behind the actor, where it is not the actor itself: the owner of a key. */
  readonly userId?: string | null;
  /** The session of a user who signed in. */
  readonly sessionId?: string | null;
}

/** Something that was done. The names its details may have are listed in `audit-actions.ts`. */
export interface AuditEvent<Action extends AuditAction = AuditAction> {
  readonly action: Action;
  readonly origin: AuditOrigin;
  readonly subject: { readonly type: AuditSubject; readonly id: string | null };
  /** By default `succeeded`. */
  readonly outcome?: AuditOutcome;
  /** What was done; of a change, how it is since, and under `previous_…` how it was. */
  readonly details?: AuditDetails<Action>;
}

/** Whoever can start a process on this machine with its settings. */
export const OPERATOR_ORIGIN: AuditOrigin = { actorType: 'operator', actorId: null, address: null, requestId: null };

/** What this service does by itself: jobs, expiry, automatic blocks. */
export const SYSTEM_ORIGIN: AuditOrigin = { actorType: 'system', actorId: null, address: null, requestId: null };

/** The origin of what a request does: its identity if it has one, its address and its id; never a header. */
export function originOf(request: Pick<HttpRequest, 'identity' | 'record'>): AuditOrigin {
  const state = request.identity?.state;
  const { address, requestId } = request.record;
  switch (state?.kind) {
    case 'client':
      return { actorType: 'client', actorId: state.clientId, address, requestId, userId: selfOf(state) };
    case 'user':
      return { actorType: 'user', actorId: state.userId, address, requestId, sessionId: state.sessionId };
    default:
      return { actorType: 'anonymous', actorId: null, address, requestId };
  }
}

/** The audit log: who did what to what. Insert-only, in PostgreSQL. */
@Injectable()
export class AuditService {
  constructor(private readonly repository: AuditRepository) {}

  /**
   * Adds a row. Within `transaction` (an `EntityManager`) it is part of the caller's change: no row, no change. Without
   * one it is written by itself.
   *
   * @throws ServiceUnavailableError when PostgreSQL does not take the row, for whatever reason. A caller that may do
   * without the row has to say so by catching it, and never within a transaction, which has failed by then.
   */
  record<Action extends AuditAction>(event: AuditEvent<Action>, transaction?: AuditTransaction): Promise<void> {
    return this.#insert([rowOf(event)], transaction);
  }

  /**
   * Adds the rows of what happened at these times (milliseconds, by `DatabaseClock`), in one statement.
   *
   * @throws ServiceUnavailableError as `record` does; then none was added.
   */
  recordAll(events: readonly (AuditEvent & { readonly at: number })[]): Promise<void> {
    return this.#insert(events.map((event) => ({ ...rowOf(event), at: event.at })));
  }

  async #insert(rows: readonly AuditRow[], transaction?: AuditTransaction): Promise<void> {
    try {
      await this.repository.insert(rows, transaction);
    } catch (error) {
      logError(error, { context: 'audit', requestId: rows[0]?.requestId ?? undefined });
      throw new ServiceUnavailableError(
        'What you asked for cannot be recorded in the audit log right now, and so was not done. Try again shortly.',
        RETRY_AFTER_SECONDS,
      );
    }
  }
}

function rowOf<Action extends AuditAction>(event: AuditEvent<Action>): AuditRow {
  const { action, origin, subject, outcome = 'succeeded', details } = event;
  return {
    at: null,
    action,
    actorType: origin.actorType,
    actorId: idOf(origin.actorId),
    userId: origin.userId ?? (origin.actorType === 'user' ? origin.actorId : null),
    subjectType: subject.type,
    subjectId: idOf(subject.id),
    address: origin.address,
    sessionId: origin.sessionId ?? null,
    requestId: origin.requestId,
    outcome,
    details: details === undefined ? {} : storedDetails(action, details),
  };
}

/** Ids are ours, but for those that were tried in vain. */
function idOf(id: string | null): string | null {
  return id === null ? null : storedText(id);
}
