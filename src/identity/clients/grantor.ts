import { InvalidRequestError, PermissionDeniedError } from '../../kernel/app-error.js';
import { ADMIN_SCOPE } from '../../kernel/handler-marks.js';
import { type AuditOrigin, OPERATOR_ORIGIN } from '../../records/audit/audit.service.js';
import { holds } from '../access/access.service.js';
import { type AllowLists, listsOf, wideningList } from './allow-lists.js';
import type { ClientStatus } from './client.entity.js';

/**
 * Whoever makes or changes a client. It gives no scope that it does not hold itself and no allow-list wider than its
 * own, and touches no client that holds more: what it could not give it could otherwise take, with a new secret. What
 * goes on without it gets no more than it holds outright.
 */
export interface Grantor extends AllowLists {
  readonly scopes: readonly string[];
  /** What of that it holds outright, without conditions or end: what may go on without it. */
  readonly lasting: readonly string[];
  readonly origin: AuditOrigin;
  /** The user it acts for; null: nobody. */
  readonly selfId: string | null;
  /** Whose clients alone it touches; null: anybody's. */
  readonly ownerId: string | null;
}

/** A user, or a key of theirs, at the door to their own keys. */
export interface SelfGrantor extends Grantor {
  readonly ownerId: string;
  /** What a key of theirs gets. */
  readonly tier: string;
}

/** What is given, or is there already. */
export interface Holdings extends AllowLists {
  readonly scopes: readonly string[];
}

export const NO_LISTS: AllowLists = { allowedAddresses: null, allowedModels: null, allowedProviders: null };

/** Whoever can start a process on this machine with its settings can do everything with its clients. */
export const OPERATOR: Grantor = {
  ...NO_LISTS,
  scopes: [ADMIN_SCOPE],
  lasting: [ADMIN_SCOPE],
  origin: OPERATOR_ORIGIN,
  selfId: null,
  ownerId: null,
};

/**
 * @param action what is being done, as the refusal says it: `grant`, `change a client with`.
 * @throws PermissionDeniedError for a scope that the grantor does not hold, or an allow-list wider than its own. Scope
 *   `admin` is no exception to the latter: a key that is good from one address only must not make one that is good
 *   from everywhere.
 */
export function assertHoldsAll(grantor: Grantor, holdings: Holdings, action: string): void {
  const missing = holdings.scopes.find((scope) => !holds(grantor.scopes, scope));
  if (missing !== undefined)
    throw new PermissionDeniedError(`You cannot ${action} the scope "${missing}", which you do not hold yourself.`);
  const widened = wideningList(grantor, holdings);
  if (widened !== null)
    throw new PermissionDeniedError(`You cannot ${action} ${widened} that are wider than your own.`);
}

/**
 * A client of the grantor's own holds at every moment what its owner holds. One of nobody, or of somebody else, goes on
 * when what the grantor holds for a time or under conditions is gone: whoever has its secret would keep that.
 *
 * @param ownerId the user that the client belongs to, or will; null: nobody.
 * @throws PermissionDeniedError for a scope that the grantor does not hold outright.
 */
export function assertMayOutlast(
  grantor: Grantor,
  scopes: readonly string[],
  ownerId: string | null,
  action: string,
): void {
  if (ownerId !== null && ownerId === grantor.selfId) return;
  const missing = scopes.find((scope) => !holds(grantor.lasting, scope));
  if (missing !== undefined)
    throw new PermissionDeniedError(
      `You cannot ${action} the scope "${missing}", which you hold for a time or under conditions only, unless the client is your own.`,
    );
}

const ACTS_FOR_OTHERS = 'api_keys:admin';

/**
 * Whoever has a secret of somebody's client acts for them: sees their sessions, ends them, makes keys of theirs.
 *
 * @param ownerId the user that the client belongs to, or will; null: nobody.
 * @param doing the beginning of what the refusal says: `Giving it to another user`.
 * @throws PermissionDeniedError without `api_keys:admin`, held outright, but for the user that the grantor acts for anyway.
 */
export function assertMayActFor(grantor: Grantor, ownerId: string | null, doing: string): void {
  if (ownerId === null || ownerId === grantor.selfId || holds(grantor.lasting, ACTS_FOR_OTHERS)) return;
  throw new PermissionDeniedError(`${doing} takes "${ACTS_FOR_OTHERS}".`);
}

/** A client as far as a change of it can let its secrets open more. */
export interface Standing extends Holdings {
  readonly status: ClientStatus;
  readonly expiresAt: Date | null;
}

/**
 * What a change adds to a client outlasts the grantor: scopes, and all that it holds where it is let in from elsewhere,
 * for longer or again.
 *
 * @throws PermissionDeniedError as `assertMayOutlast`.
 */
export function assertMayWiden(
  grantor: Grantor,
  current: Standing & { readonly ownerId: string | null },
  changes: Partial<Standing>,
): void {
  const { scopes = current.scopes, status = current.status, expiresAt = current.expiresAt } = changes;
  const opensMore =
    wideningList(current, listsOf(current, changes)) !== null ||
    (current.status === 'disabled' && status === 'active') ||
    endOf(expiresAt) > endOf(current.expiresAt);
  const given = opensMore ? scopes : scopes.filter((scope) => !holds(current.scopes, scope));
  assertMayOutlast(grantor, given, current.ownerId, 'widen a client by');
}

function endOf(expiresAt: Date | null): number {
  return expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
}

/**
 * Of its own clients a grantor may change one that holds more than it does itself, by now: to what it could make anew.
 * Their scopes only become fewer, so that a secret that is somewhere already never comes to open more.
 *
 * @throws PermissionDeniedError when the client has, or keeps, what the grantor does not hold; InvalidRequestError for a
 *   scope that a client of its own does not have.
 */
export function assertMayChange(grantor: Grantor, current: Holdings, changes: Partial<Holdings>): void {
  if (grantor.ownerId === null) {
    assertHoldsAll(grantor, current, 'change a client with');
    return;
  }
  const added = changes.scopes?.find((scope) => !holds(current.scopes, scope));
  if (added !== undefined)
    throw new InvalidRequestError([
      { location: 'body.scopes', message: 'can only become fewer; make another key for more' },
    ]);
  const kept = { scopes: changes.scopes ?? current.scopes, ...listsOf(current, changes) };
  assertHoldsAll(grantor, kept, 'keep');
}

/** Whatever its own clients hold, a grantor may end them. @throws PermissionDeniedError as `assertHoldsAll`. */
export function assertMayRevoke(grantor: Grantor, current: Holdings, action: string): void {
  if (grantor.ownerId === null) assertHoldsAll(grantor, current, action);
}
