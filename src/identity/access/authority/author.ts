import { AuthUnavailableError } from '../../../kernel/app-error.js';
import { type AuthState, subjectOf } from '../../../kernel/auth-state.js';
import type { HttpRequest } from '../../../platform/http/http-request.js';
import { type AuditOrigin, OPERATOR_ORIGIN, originOf } from '../../../records/audit/audit.service.js';
import type { AccessContext } from '../check/access-context.js';

/** Whoever changes roles or grants. */
export interface Author {
  /** Null: the operator, who may do everything. */
  readonly caller: { readonly state: AuthState; readonly context: AccessContext } | null;
  readonly origin: AuditOrigin;
  /** The id of the client or user; null: the operator. */
  readonly id: string | null;
}

/** Whoever can start a process on this machine with its settings. */
export const OPERATOR_AUTHOR: Author = { caller: null, origin: OPERATOR_ORIGIN, id: null };

export function authorOf(request: HttpRequest, context: AccessContext): Author {
  if (request.identity === null) throw new AuthUnavailableError();
  const { state } = request.identity;
  return { caller: { state, context }, origin: originOf(request), id: subjectOf(state) };
}
