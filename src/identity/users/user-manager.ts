import { PermissionDeniedError } from '../../kernel/app-error.js';
import type { AuditOrigin } from '../../records/audit/audit.service.js';

/** Whoever makes or changes users. */
export interface UserManager {
  readonly origin: AuditOrigin;
  /** Holds everything, everywhere: nobody else touches an administrator. */
  readonly administers: boolean;
}

/** @throws PermissionDeniedError when the user is an administrator and the manager is none. */
export function assertMayManage(manager: UserManager, user: { readonly isAdministrator: boolean }): void {
  if (user.isAdministrator && !manager.administers)
    throw new PermissionDeniedError('This user is an administrator: only administrators change or remove one.');
}
