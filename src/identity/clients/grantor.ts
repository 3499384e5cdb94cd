import { PermissionDeniedError } from '../../kernel/app-error.js';
import { ADMIN_SCOPE } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { type AuditOrigin, OPERATOR_ORIGIN, originOf } from '../../records/audit/audit.service.js';
import { holds } from '../access/access.service.js';
import { type AllowLists, wideningList } from './allow-lists.js';

/**
 * Whoever makes or changes a client. It gives no scope that it does not hold itself and no allow-list wider than its
 * own, and touches no client that holds more: what it could not give it could otherwise take, with a new secret.
 */
export interface Grantor extends AllowLists {
  readonly scopes: readonly string[];
  readonly origin: AuditOrigin;
}

/** What is given, or is there already. */
export interface Grant extends AllowLists {
  readonly scopes: readonly string[];
}

const NO_LISTS: AllowLists = { allowedAddresses: null, allowedModels: null, allowedProviders: null };

/** Whoever can start a process on this machine with its settings can do everything with its clients. */
export const OPERATOR: Grantor = { ...NO_LISTS, scopes: [ADMIN_SCOPE], origin: OPERATOR_ORIGIN };

/** The caller, as far as it limits what it may give. The guards let nobody without scopes of its own get here. */
export function grantorOf(request: HttpRequest): Grantor {
  const state = request.identity?.state;
  const origin = originOf(request);
  if (state?.method !== 'client') return { ...NO_LISTS, scopes: [], origin };
  const { scopes, allowedAddresses, allowedModels, allowedProviders } = state;
  return { scopes, allowedAddresses, allowedModels, allowedProviders, origin };
}

/**
 * @param action what is being done, as the refusal says it: `grant`, `change a client with`.
 * @throws PermissionDeniedError for a scope that the grantor does not hold, or an allow-list wider than its own. Scope
 *   `admin` is no exception to the latter: a key that is good from one address only must not make one that is good
 *   from everywhere.
 */
export function assertHoldsAll(grantor: Grantor, grant: Grant, action: string): void {
  const missing = grant.scopes.find((scope) => !holds(grantor.scopes, scope));
  if (missing !== undefined)
    throw new PermissionDeniedError(`You cannot ${action} the scope "${missing}", which you do not hold yourself.`);
  const widened = wideningList(grantor, grant);
  if (widened !== null)
    throw new PermissionDeniedError(`You cannot ${action} ${widened} that are wider than your own.`);
}
