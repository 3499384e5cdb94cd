import { PermissionDeniedError } from '../../kernel/app-error.js';
import { type AuditOrigin, OPERATOR_ORIGIN } from '../../records/audit/audit.service.js';

/** Whoever makes or changes users. */
export interface UserManager {
  readonly origin: AuditOrigin;
  /** Holds everything, everywhere: nobody else touches an administrator. */
  readonly administers: boolean;
}

/** Whoever can start a process on this machine with its settings can do everything with its users. */
export const OPERATOR: UserManager = { origin: OPERATOR_ORIGIN, administers: true };

/** @throws PermissionDeniedError when the user is an administrator and the manager is none. */
export function assertMayManage(manager: UserManager, user: { readonly isAdministrator: boolean }): void {
  if (user.isAdministrator && !manager.administers)
    throw new PermissionDeniedError('This user is an administrator: only administrators change or remove one.');
}
