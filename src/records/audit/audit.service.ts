import { Injectable } from '@nestjs/common';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { AuditRepository, type AuditTransaction } from './audit.repository.js';
import { type AuditAction, type AuditDetails, storedDetails } from './audit-actions.js';

/** Who did it, and from where. */
export interface AuditOrigin {
  /** `operator`: somebody with a shell on the machine; `system`: this service by itself; `anonymous`: no credential. */
  readonly actorType: 'client' | 'user' | 'operator' | 'system' | 'anonymous';
  readonly actorId: string | null;
  readonly address: string | null;
  readonly requestId: string | null;
}

/** Something that was done. The names its details may have are listed in `audit-actions.ts`. */
export interface AuditEvent<Action extends AuditAction = AuditAction> {
  readonly action: Action;
  readonly origin: AuditOrigin;
  readonly subject: {
    readonly type: 'client' | 'secret' | 'user' | 'rate_limit' | 'ip_rule' | 'signing_key' | 'token';
    readonly id: string | null;
  };
  /** By default `succeeded`. */
  readonly outcome?: 'succeeded' | 'refused' | 'failed';
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
  if (state?.kind === 'client') return { actorType: 'client', actorId: state.clientId, address, requestId };
  if (state?.kind === 'user') return { actorType: 'user', actorId: state.userId, address, requestId };
  return { actorType: 'anonymous', actorId: null, address, requestId };
}

/** The audit log: who did what to what. Insert-only, in PostgreSQL. */
@Injectable()
export class AuditService {
  constructor(private readonly repository: AuditRepository) {}

  /**
   * Adds a row. Within `transaction` (an `EntityManager`) it is part of the caller's change: no row, no change. Without
   * one it is written by itself.
   *
   * @throws the driver's error when PostgreSQL is away: a caller that may do without the row has to say so by catching.
   */
  record<Action extends AuditAction>(event: AuditEvent<Action>, transaction?: AuditTransaction): Promise<void> {
    const { action, origin, subject, outcome = 'succeeded', details } = event;
    return this.repository.insert(
      {
        action,
        ...origin,
        subjectType: subject.type,
        subjectId: subject.id,
        outcome,
        details: details === undefined ? {} : storedDetails(action, details),
      },
      transaction,
    );
  }
}
