import { Injectable } from '@nestjs/common';
import { type FieldError, InvalidRequestError, NotFoundError, PermissionDeniedError } from '../../kernel/app-error.js';
import { DEFAULT_TIER, RateLimitTable } from '../../platform/config/rate-limit-table.js';
import { Settings } from '../../platform/config/settings.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { ListQuery } from '../../platform/http/list-query.js';
import type { Mint } from '../../platform/idempotency/idempotency.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { holds } from '../access/access.service.js';
import {
  type Environment,
  generateClientId,
  generateCredential,
  generateSecretId,
  isClientId,
  type NewCredential,
} from './api-key.js';
import type { Client } from './client-rows.repository.js';
import { type ClientChanges, type ClientSortKey, ClientsRepository } from './clients.repository.js';
import { type Propagation, Revocations } from './revocations.js';
import { SecretHasher } from './secret-hasher.js';

/** Whoever makes or changes a client: it can give no scope that it does not hold itself. */
export interface Grantor {
  readonly scopes: readonly string[];
}

/** What a client is made of; what is absent takes its default: tier `paid`, scope `llm:invoke`, live, without end. */
export interface NewClient {
  readonly name: string;
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
    settings: Settings,
  ) {
    this.#limits = new RateLimitTable(settings.RATE_LIMITS);
  }

  /**
   * Makes a client and its first secret. The secret is in the answer and nowhere else: PostgreSQL gets the bcrypt hash
   * of its 30 characters.
   *
   * @param mint the transaction it is made in.
   * @throws InvalidRequestError for an unknown tier or an end that is past; PermissionDeniedError for a scope that the
   *   grantor does not hold; ServiceUnavailableError when too many hashes wait.
   */
  async create(
    grantor: Grantor,
    input: NewClient,
    mint: Mint<CreatedClient> = (work) => this.transactions.run(work),
  ): Promise<CreatedClient> {
    const { tier = DEFAULT_TIER, scopes = DEFAULT_SCOPES, environment = 'live', expiresAt = null } = input;
    this.#assertValid({ tier, expiresAt });
    assertHoldsAll(grantor, scopes, 'grant');
    const credential = generateCredential(generateClientId(environment));
    const hashedSecret = await this.hasher.hash(credential.secret);
    const fields = {
      clientId: credential.clientId,
      name: input.name,
      environment,
      tier,
      scopes: [...scopes],
      expiresAt,
    };
    const secret = { id: generateSecretId(), hashedSecret, hint: credential.hint };
    return mint(async (transaction) => ({
      client: await this.repository.insert(fields, secret, transaction),
      credential,
    }));
  }

  /** The clients of a page and one more, if there is one. */
  list(query: ListQuery<ClientSortKey>): Promise<Client[]> {
    return this.repository.list(query);
  }

  /** @throws NotFoundError when there is no client of exactly this id. */
  async get(clientId: string): Promise<Client> {
    return found(isClientId(clientId) ? await this.repository.find(clientId) : null);
  }

  /**
   * Changes a client, and sees the change through to every replica (see `Revocations.follow`).
   *
   * @throws NotFoundError; InvalidRequestError for an unknown tier, an end that is past, or nothing to change;
   *   PermissionDeniedError when the client has, or would get, a scope that the grantor does not hold.
   */
  async update(
    grantor: Grantor,
    clientId: string,
    changes: ClientChanges,
  ): Promise<{ client: Client; propagation: Propagation }> {
    if (Object.values(changes).every((value) => value === undefined)) {
      throw new InvalidRequestError([
        { location: 'body', message: 'must hold at least one of name, tier, scopes, status, expires_at' },
      ]);
    }
    this.#assertValid(changes);
    assertHoldsAll(grantor, changes.scopes ?? [], 'grant');
    const decide = (current: Client) => {
      assertHoldsAll(grantor, current.scopes, 'change a client with');
      return changes;
    };
    const changed = found(isClientId(clientId) ? await this.repository.change(clientId, decide) : null);
    return { client: changed.client, propagation: await this.revocations.follow({ clientId, ...changed }) };
  }

  /**
   * Deletes a client, and sees that through to every replica (see `Revocations.follow`).
   *
   * @throws NotFoundError; PermissionDeniedError when the client has a scope that the grantor does not hold.
   */
  async revoke(grantor: Grantor, clientId: string): Promise<Propagation> {
    const decide = (current: Client) => assertHoldsAll(grantor, current.scopes, 'revoke a client with');
    const removed = found(isClientId(clientId) ? await this.repository.remove(clientId, decide) : null);
    return this.revocations.follow({ clientId, ...removed });
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

/** @throws PermissionDeniedError for a scope that the grantor does not hold. */
export function assertHoldsAll(grantor: Grantor, scopes: readonly string[], action: string): void {
  const missing = scopes.find((scope) => !holds(grantor.scopes, scope));
  if (missing !== undefined)
    throw new PermissionDeniedError(`You cannot ${action} the scope "${missing}", which you do not hold yourself.`);
}

function found<T>(value: T | null): T {
  if (value === null) throw new NotFoundError('There is no client with this id.');
  return value;
}
