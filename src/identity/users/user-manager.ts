import type { Transaction } from '../../platform/database/transactions.js';
import type { AuditOrigin } from '../../records/audit/audit.service.js';

/** Whoever makes or changes users. */
export interface UserManager {
  readonly origin: AuditOrigin;
  /**
   * Nobody touches a user who holds more than they do: they could take from them, or hand them the keys of others.
   *
   * @throws PermissionDeniedError naming a permission that the manager lacks.
   */
  assertMayManage(userId: string, transaction: Transaction): Promise<void>;
}
