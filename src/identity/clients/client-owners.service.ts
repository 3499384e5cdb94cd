import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InvalidRequestError, NotFoundError, PermissionDeniedError } from '../../kernel/app-error.js';
import { TooManyKeysError } from '../../kernel/identity-errors.js';
import { isId } from '../../kernel/ids.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { AuditService } from '../../records/audit/audit.service.js';
import { ResourceOwners } from '../access/resource-owners.service.js';
import { isClientId } from './api-key.js';
import { clientHandedOver } from './client-audit.js';
import { ClientOwnersRepository } from './client-owners.repository.js';
import type { Client } from './client-rows.repository.js';
import { ClientsRepository } from './clients.repository.js';
import { assertHoldsAll, assertMayActFor, assertMayOutlast, type Grantor } from './grantor.js';
import { Revocations } from './revocations.js';

/** Clients that belong to one user. */
export const MAX_OWNED = 100;

/** Whose clients are: how many a user may have, and handing them over. Without PostgreSQL every call rejects. */
@Injectable()
export class ClientOwnersService implements OnModuleInit {
  constructor(
    private readonly owners: ClientOwnersRepository,
    private readonly clients: ClientsRepository,
    private readonly transactions: Transactions,
    private readonly audit: AuditService,
    private readonly revocations: Revocations,
    private readonly resources: ResourceOwners,
  ) {}

  onModuleInit(): void {
    this.resources.register('clients', async (id) => (isClientId(id) ? this.owners.ownerOf(id) : null));
  }

  /**
   * Holds a place for one more client of the user until the transaction ends: whoever wants another waits, so that
   * however many ask at once none gets past the limit, and one who is being suspended gets none.
   *
   * @throws TooManyKeysError; PermissionDeniedError when the user is not active any more.
   */
  async reserve(transaction: Transaction, userId: string): Promise<void> {
    const owner = await this.owners.lock(transaction, userId);
    if (owner?.status !== 'active') throw new PermissionDeniedError('Your account is not active any more.');
    if (owner.clients >= MAX_OWNED) throw new TooManyKeysError(MAX_OWNED);
  }

  /**
   * Gives a client to a user, or (null) to nobody, and sees that through to every replica. Its secrets go on working: of
   * its scopes it holds from then on what the new owner holds, and without one all of them. Whoever has a client of
   * somebody else acts for them, so giving one to another than oneself takes `api_keys:admin`,
   * held outright.
   *
   * @throws NotFoundError; InvalidRequestError unless the user is there and active; TooManyKeysError;
   *   PermissionDeniedError when the client has what the grantor does not hold, or not outright where it is not to be
   *   its own, or it may not give to others.
   */
  async handOver(
    grantor: Grantor,
    clientId: string,
    userId: string | null,
  ): Promise<{ client: Client; propagation: Propagation }> {
    if (!isClientId(clientId)) throw noSuchClient();
    assertMayActFor(grantor, userId, 'You may take a client over; giving it to another user');
    const changed = await this.transactions.run(async (transaction) => {
      const owner = userId !== null && isId('usr', userId) ? await this.owners.lock(transaction, userId) : null;
      if (userId !== null && owner?.status !== 'active')
        throw new InvalidRequestError([
          { location: 'body.user_id', message: 'must be the id of an active user, or null' },
        ]);
      let previous: string | null = null;
      const decide = (current: Client) => {
        assertHoldsAll(grantor, current, 'hand over a client with');
        assertMayOutlast(grantor, current.scopes, userId, 'hand over a client with');
        previous = current.ownerId;
        if (owner !== null && previous !== userId && owner.clients >= MAX_OWNED) throw new TooManyKeysError(MAX_OWNED);
        return { ownerId: userId };
      };
      const done = await this.clients.change(clientId, decide, transaction);
      if (done === null) throw noSuchClient();
      await this.audit.record(clientHandedOver(grantor.origin, done.client, previous), transaction);
      return done;
    });
    return { client: changed.client, propagation: await this.revocations.follow({ clientId, ...changed }) };
  }
}

function noSuchClient(): NotFoundError {
  return new NotFoundError('There is no client with this id.');
}
