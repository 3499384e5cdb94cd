import { Injectable } from '@nestjs/common';
import { type FieldError, InvalidRequestError, NotFoundError } from '../../kernel/app-error.js';
import { DEFAULT_TIER, RateLimitTable } from '../../platform/config/rate-limit-table.js';
import { Settings } from '../../platform/config/settings.js';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import type { Mint } from '../../platform/idempotency/idempotency.service.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { AuditService } from '../../records/audit/audit.service.js';
import { SecretHasher } from '../hashing/secret-hasher.service.js';
import { type AllowLists, listsOf } from './allow-lists.js';
import {
  type Environment,
  generateClientId,
  generateCredential,
  generateSecretId,
  isClientId,
  type NewCredential,
} from './api-key.js';
import { clientCreated, clientRevoked, clientUpdated } from './client-audit.js';
import type { Client } from './client-rows.repository.js';
import { type ClientChanges, ClientsRepository } from './clients.repository.js';
import {
  assertHoldsAll,
  assertMayActFor,
  assertMayChange,
  assertMayOutlast,
  assertMayRevoke,
  assertMayWiden,
  type Grantor,
} from './grantor.js';
import { Revocations } from './revocations.js';

/**
 * What a client is made of; what is absent takes its default: tier `paid`, scope `llm:invoke`, live, without end, and the
 * allow-lists of whoever makes it.
 */
export interface NewClient extends Partial<AllowLists> {
  readonly name: string;
  /** The user it belongs to; absent: nobody. */
  readonly ownerId?: string;
  readonly tier?: string;
  readonly scopes?: readonly string[];
  readonly environment?: Environment;
  readonly expiresAt?: Date | null;
}

/** A client with its credential in clear: to be shown once, and forgotten. */
export interface CreatedClient {
  readonly client: Client;
  readonly credential: NewCredential;
}

const DEFAULT_SCOPES = ['llm:invoke'];

/**
 * Making, changing and revoking clients. PostgreSQL holds them; without it every call rejects with the driver's error.
 * Field values are taken as valid in form (see the DTOs); what depends on the settings, the time or the caller is
 * checked here.
 */
@Injectable()
export class ClientsService {
  readonly #limits: RateLimitTable;

  constructor(
    private readonly repository: ClientsRepository,
    private readonly hasher: SecretHasher,
    private readonly revocations: Revocations,
    private readonly clock: DatabaseClock,
    private readonly transactions: Transactions,
    private readonly audit: AuditService,
    settings: Settings,
  ) {
    this.#limits = new RateLimitTable(settings.RATE_LIMITS);
  }

  /**
   * Makes a client and its first secret. The secret is in the answer and nowhere else: PostgreSQL gets the bcrypt hash
   * of its 30 characters.
   *
   * @param mint the transaction it is made in.
   * @throws InvalidRequestError for an unknown tier or an end that is past; PermissionDeniedError for what the grantor
   *   does not hold, or not outright where the client is not its own; ServiceUnavailableError when too many hashes wait.
   */
  async create(
    grantor: Grantor,
    input: NewClient,
    mint: Mint<CreatedClient> = (work) => this.transactions.run(work),
  ): Promise<CreatedClient> {
    const { tier = DEFAULT_TIER, scopes = DEFAULT_SCOPES, environment = 'live', expiresAt = null } = input;
    this.#assertValid({ tier, expiresAt });
    const lists = listsOf(grantor, input);
    assertHoldsAll(grantor, { scopes, ...lists }, 'grant');
    assertMayOutlast(grantor, scopes, input.ownerId ?? null, 'grant');
    const credential = generateCredential(generateClientId(environment));
    const hashedSecret = await this.hasher.hash(credential.secret);
    const fields = {
      clientId: credential.clientId,
      name: input.name,
      environment,
      tier,
      scopes: [...scopes],
      expiresAt,
      ownerId: input.ownerId ?? null,
      allowedAddresses: copied(lists.allowedAddresses),
      allowedModels: copied(lists.allowedModels),
      allowedProviders: copied(lists.allowedProviders),
    };
    const secret = { id: generateSecretId(), hashedSecret, hint: credential.hint };
    return mint(async (transaction) => {
      const client = await this.repository.insert(fields, secret, transaction);
      await this.audit.record(clientCreated(grantor.origin, client), transaction);
      return { client, credential };
    });
  }

  /** @throws NotFoundError when there is no client of exactly this id, or it is not `ownerId`'s (null: anybody's). */
  async get(clientId: string, ownerId: string | null = null): Promise<Client> {
    return found(isClientId(clientId) ? await this.repository.find(clientId, ownerId) : null);
  }

  /**
   * For a secret that is to be shown once more: its maker may have been narrowed since, or the client widened. Of a
   * client that is gone no secret works, and it may be shown.
   *
   * @throws PermissionDeniedError when the client has what the grantor does not hold now; NotFoundError when it is no
   *   longer one of those that the grantor touches.
   */
  async assertMayBeShown(grantor: Grantor, clientId: string): Promise<void> {
    const client = await this.repository.find(clientId);
    if (client === null) return;
    if (grantor.ownerId !== null && client.ownerId !== grantor.ownerId) found(null);
    assertHoldsAll(grantor, client, 'be shown a secret of a client with');
    assertMayActFor(grantor, client.ownerId, 'Being shown a secret of a client of another user');
    assertMayOutlast(grantor, client.scopes, client.ownerId, 'be shown a secret of a client with');
  }

  /**
   * Changes a client, and sees the change through to every replica (see `Revocations.follow`).
   *
   * @throws NotFoundError; InvalidRequestError for an unknown tier, an end that is past, or nothing to change;
   *   PermissionDeniedError when the client has, or would get, what the grantor does not hold, or is not its own and
   *   would get what it does not hold outright.
   */
  async update(
    grantor: Grantor,
    clientId: string,
    changes: ClientChanges,
  ): Promise<{ client: Client; propagation: Propagation }> {
    if (Object.values(changes).every((value) => value === undefined)) {
      throw new InvalidRequestError([
        {
          location: 'body',
          message:
            'must hold at least one of name, tier, scopes, status, expires_at, allowed_addresses, allowed_models, allowed_providers',
        },
      ]);
    }
    this.#assertValid(changes);
    assertHoldsAll(grantor, { scopes: changes.scopes ?? [], ...listsOf(grantor, changes) }, 'grant');
    let before: Client | null = null;
    const decide = (current: Client) => {
      assertMayChange(grantor, current, changes);
      assertMayWiden(grantor, current, changes);
      before = current;
      return changes;
    };
    const changed = await this.#inTransaction(clientId, async (transaction) => {
      const done = await this.repository.change(clientId, decide, transaction, grantor.ownerId);
      if (done !== null && before !== null)
        await this.audit.record(clientUpdated(grantor.origin, before, done.client, changes), transaction);
      return done;
    });
    return { client: changed.client, propagation: await this.revocations.follow({ clientId, ...changed }) };
  }

  /**
   * Deletes a client, and sees that through to every replica (see `Revocations.follow`).
   *
   * @throws NotFoundError; PermissionDeniedError when the client has what the grantor does not hold, and is not its own.
   */
  async revoke(grantor: Grantor, clientId: string): Promise<Propagation> {
    const decide = (current: Client) => assertMayRevoke(grantor, current, 'revoke a client with');
    const removed = await this.#inTransaction(clientId, async (transaction) => {
      const done = await this.repository.remove(clientId, decide, transaction, grantor.ownerId);
      if (done !== null) await this.audit.record(clientRevoked(grantor.origin, clientId), transaction);
      return done;
    });
    return this.revocations.follow({ clientId, ...removed });
  }

  /** What is no client id is not looked up. */
  async #inTransaction<T>(clientId: string, work: (transaction: Transaction) => Promise<T | null>): Promise<T> {
    return found(isClientId(clientId) ? await this.transactions.run(work) : null);
  }

  #assertValid({ tier, expiresAt }: Pick<ClientChanges, 'tier' | 'expiresAt'>): void {
    const errors: FieldError[] = [];
    if (tier !== undefined && !this.#limits.isKnownTier(tier))
      errors.push({ location: 'body.tier', message: `must be one of ${this.#limits.tiers().join(', ')}` });
    if (expiresAt != null && expiresAt.getTime() <= this.clock.now())
      errors.push({ location: 'body.expires_at', message: 'must be in the future' });
    if (errors.length > 0) throw new InvalidRequestError(errors);
  }
}

function copied(list: readonly string[] | null): string[] | null {
  return list === null ? null : [...list];
}

function found<T>(value: T | null): T {
  if (value === null) throw new NotFoundError('There is no client with this id.');
  return value;
}
