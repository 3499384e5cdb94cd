import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import type { Page } from '../../platform/http/list-query.js';
import type { Mint } from '../../platform/idempotency/idempotency.service.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { holds } from '../access/access.service.js';
import { ClientOwnersService } from './client-owners.service.js';
import type { Client } from './client-rows.repository.js';
import type { ClientView } from './client-view.js';
import type { ClientChanges } from './clients.repository.js';
import { ClientsService, type CreatedClient, type NewClient } from './clients.service.js';
import { API_KEY_LIST, ClientsListService } from './clients-list.service.js';
import type { SelfGrantor } from './grantor.js';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 90;
const MAX_DAYS = 365;
const UNENDING = 'api_keys:admin';

/** What a key is made of. Its owner and its tier are those of whoever makes it. */
export type NewApiKey = Omit<NewClient, 'ownerId' | 'tier'>;

/**
 * A user's own keys. They are clients like all others, with an owner, and this is their owner's door to them: it opens to
 * no other user's client, and adds what is asked of keys alone. PostgreSQL holds them; without it every call rejects.
 */
@Injectable()
export class ApiKeysService {
  constructor(
    private readonly clients: ClientsService,
    private readonly lists: ClientsListService,
    private readonly owners: ClientOwnersService,
    private readonly clock: DatabaseClock,
  ) {}

  /**
   * Makes a key of the caller's. Without an end of its own it gets one in 90 days.
   *
   * @throws as `ClientsService.create`; InvalidRequestError for an end too far away; TooManyKeysError.
   */
  create(caller: SelfGrantor, input: NewApiKey, mint: Mint<CreatedClient>): Promise<CreatedClient> {
    const { ownerId, tier } = caller;
    const expiresAt = input.expiresAt === undefined ? this.#daysAhead(DEFAULT_DAYS) : input.expiresAt;
    this.#assertEnd(caller, expiresAt);
    return this.clients.create(caller, { ...input, ownerId, tier, expiresAt }, (work) =>
      mint(async (transaction) => {
        await this.owners.reserve(transaction, ownerId);
        return work(transaction);
      }),
    );
  }

  /** A page of the user's keys, as `ClientsListService.list`. */
  list(ownerId: string, raw: Readonly<Record<string, unknown>>): Promise<Page<ClientView>> {
    return this.lists.list(raw, { all: false, ids: [], ownerId, except: [] }, API_KEY_LIST);
  }

  /** @throws NotFoundError when the user has no such key. */
  get(ownerId: string, clientId: string): Promise<Client> {
    return this.clients.get(clientId, ownerId);
  }

  /** @throws as `ClientsService.update`; InvalidRequestError for an end too far away. */
  async update(
    caller: SelfGrantor,
    clientId: string,
    changes: ClientChanges,
  ): Promise<{ client: Client; propagation: Propagation }> {
    if (changes.expiresAt !== undefined) this.#assertEnd(caller, changes.expiresAt);
    return this.clients.update(caller, clientId, changes);
  }

  #assertEnd(caller: SelfGrantor, expiresAt: Date | null): void {
    const latest = this.#daysAhead(MAX_DAYS);
    if ((expiresAt !== null && expiresAt <= latest) || holds(caller.scopes, UNENDING)) return;
    throw new InvalidRequestError([
      { location: 'body.expires_at', message: `must be at most ${MAX_DAYS} days away, unless you hold "${UNENDING}"` },
    ]);
  }

  #daysAhead(days: number): Date {
    return new Date(this.clock.now() + days * DAY_MS);
  }
}
