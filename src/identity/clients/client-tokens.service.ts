import { Injectable } from '@nestjs/common';
import { NotFoundError } from '../../kernel/app-error.js';
import type { Transaction } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { isClientId } from './api-key.js';
import { ClientTokensRepository } from './client-tokens.repository.js';
import { type CredentialChange, Revocations } from './revocations.js';

/** The short tokens of clients, as far as it is the client that is changed by what becomes of them. */
@Injectable()
export class ClientTokensService {
  constructor(
    private readonly repository: ClientTokensRepository,
    private readonly revocations: Revocations,
  ) {}

  /**
   * Voids every short token a client was given until now; to be followed after the commit. Its keys work on.
   *
   * @throws NotFoundError when there is no client of exactly this id; rejects with the driver's error.
   */
  async endAll(clientId: string, transaction: Transaction): Promise<CredentialChange> {
    const change = isClientId(clientId) ? await this.repository.raiseEpoch(clientId, transaction) : null;
    if (change === null) throw new NotFoundError('There is no client with this id.');
    return { clientId, ...change };
  }

  /**
   * What this transaction has changed of the client's tokens, to be followed after the commit; null when the client is
   * gone, and its tokens with it. To be asked for as its last step. Rejects with the driver's error.
   */
  async changed(clientId: string, transaction: Transaction): Promise<CredentialChange | null> {
    const change = await this.repository.announced(clientId, transaction);
    return change && { clientId, ...change };
  }

  /** As `Revocations.follow`. Never rejects. */
  follow(change: CredentialChange): Promise<Propagation> {
    return this.revocations.follow(change);
  }
}
