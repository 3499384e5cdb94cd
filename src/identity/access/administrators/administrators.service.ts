import { Injectable } from '@nestjs/common';
import { LastAdministratorError } from '../../../kernel/identity-errors.js';
import { newId } from '../../../kernel/ids.js';
import type { Transaction } from '../../../platform/database/transactions.js';
import { type AuditOrigin, AuditService } from '../../../records/audit/audit.service.js';
import { AdministratorsRepository } from './administrators.repository.js';

/**
 * The role of an administrator: it holds every permission there is and will be. Its id is the same in every installation.
 */
export const OWNER_ROLE_ID = 'rol_000000000000000owner';

/** Keeps somebody in charge. PostgreSQL alone decides; without it every call rejects with the driver's error. */
@Injectable()
export class AdministratorsService {
  constructor(
    private readonly repository: AdministratorsRepository,
    private readonly audit: AuditService,
  ) {}

  /**
   * Gives a user the role of an owner, everywhere and without end: for the first one, on the machine. It asks nobody's
   * leave; who may call it has to be settled before. The caller sees the change of the user through.
   *
   * @param origin who does it, as the audit log has it.
   */
  async appoint(userId: string, origin: AuditOrigin, reason: string, transaction: Transaction): Promise<void> {
    const id = newId('grt');
    await this.repository.lock(transaction);
    await this.repository.giveRole(
      { id, userId, roleId: OWNER_ROLE_ID, grantedBy: origin.actorId, reason },
      transaction,
    );
    const details = { user_id: userId, role_id: OWNER_ROLE_ID, role: 'owner', effect: 'allow', scope: 'all', reason };
    await this.audit.record({ action: 'grant.create', origin, subject: { type: 'grant', id }, details }, transaction);
  }

  /**
   * Makes a change that may take an administrator away: of a user's status, of a user, of grants or of roles. One such
   * change at a time, over all replicas, so that two at once do not remove the last two.
   *
   * Call it before the transaction locks anything else: whoever changes grants takes the same lock first and then the
   * user's row. It may be called within itself.
   *
   * @param change makes the change in `transaction`; it may find nothing to do.
   * @throws LastAdministratorError when nobody would be left who may do everything, always and everywhere, though there
   *   was somebody before; the transaction must then be rolled back.
   */
  async assertOneRemains<T>(transaction: Transaction, change: () => Promise<T>): Promise<T> {
    await this.repository.lock(transaction);
    const before = await this.repository.count(transaction);
    const done = await change();
    if (before > 0 && (await this.repository.count(transaction)) === 0) throw new LastAdministratorError();
    return done;
  }

  /**
   * Whether there is somebody who may do everything, always and everywhere. Until the transaction ends, no other one
   * changes that.
   */
  async isSomebodyInCharge(transaction: Transaction): Promise<boolean> {
    await this.repository.lock(transaction);
    return (await this.repository.count(transaction)) > 0;
  }

  /** Whether a user is given everything, be it for a time or under conditions; what a stronger password is asked for. */
  isAdministrator(userId: string, transaction?: Transaction): Promise<boolean> {
    return this.repository.isAdministrator(userId, transaction);
  }
}
