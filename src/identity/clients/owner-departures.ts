import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import { AuditService, SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import { UserLifecycle } from '../users/user-lifecycle.service.js';
import { ClientOwnersRepository } from './client-owners.repository.js';

/**
 * What becomes of the keys of a user who leaves: they go to the heir, however many that has, or are disabled and left to
 * nobody. It is part of the transaction that deletes the user. A user who is suspended needs nothing here: their keys are
 * refused by what is read of them with each.
 */
@Injectable()
export class OwnerDepartures implements OnModuleInit {
  constructor(
    private readonly lifecycle: UserLifecycle,
    private readonly owners: ClientOwnersRepository,
    private readonly audit: AuditService,
  ) {}

  onModuleInit(): void {
    this.lifecycle.on(async ({ type, userId, heirId }, transaction) => {
      if (type === 'deleted') await this.#settle(userId, heirId ?? null, transaction);
    });
  }

  async #settle(userId: string, heirId: string | null, transaction: Transaction): Promise<void> {
    const reason = heirId === null ? 'owner_deleted: disabled' : 'owner_deleted';
    const details = { owner_id: heirId, previous_owner_id: userId, reason };
    for (const clientId of await this.owners.settle(transaction, userId, heirId)) {
      const subject = { type: 'client', id: clientId } as const;
      await this.audit.record({ action: 'client.hand_over', origin: SYSTEM_ORIGIN, subject, details }, transaction);
    }
  }
}
