import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import type { CachedTokens, CredentialRecord } from './cached-credential.js';
import { ClientEntity } from './client.entity.js';
import {
  type AnnouncedChange,
  announcedAs,
  announcedChange,
  type Client,
  leaveFence,
  lockClient,
  readClient,
  required,
} from './client-rows.repository.js';
import { ClientSecretEntity } from './client-secret.entity.js';
import { CredentialFenceEntity } from './credential-fence.entity.js';
import { OWNER_JSON, type OwnerRow, toOwner } from './credential-owner.js';
import { TOKENS_JSON } from './credential-tokens.js';

export type ClientToInsert = Pick<
  ClientEntity,
  | 'clientId'
  | 'name'
  | 'environment'
  | 'tier'
  | 'scopes'
  | 'expiresAt'
  | 'ownerId'
  | 'allowedAddresses'
  | 'allowedModels'
  | 'allowedProviders'
>;
export type SecretToInsert = Pick<ClientSecretEntity, 'id' | 'hashedSecret' | 'hint'>;

/** The fields of a client that can change; an absent one stays. */
export type ClientChanges = Partial<
  Pick<
    ClientEntity,
    'name' | 'tier' | 'scopes' | 'status' | 'expiresAt' | 'allowedAddresses' | 'allowedModels' | 'allowedProviders'
  >
>;

/** Those, and whose it is: changed by a handing over alone. */
type RowChanges = ClientChanges & Partial<Pick<ClientEntity, 'ownerId'>>;

/** A revocation that may not have reached Redis. */
export type PendingFence = Pick<CredentialFenceEntity, 'clientId' | 'version'>;

/** A client as it was changed. */
export interface ChangedClient extends AnnouncedChange {
  readonly client: Client;
}

/**
 * Secrets that were ended at once are refused whatever a clock says. Those that have ended are listed for a month, and a
 * client that is rotated by a machine may have thousands: they are in nobody's way here.
 */
const ALIVE = `secret.client_id = client.client_id AND secret.revoked_at IS NULL
  AND (secret.expires_at IS NULL OR secret.expires_at > :now)`;

/**
 * Clients in PostgreSQL. Every call waits for a connection and for each answer no longer than the pool allows (about two
 * and three seconds) and then rejects with the driver's error. Ids are compared byte by byte.
 */
@Injectable()
export class ClientsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /**
   * The client as authenticating it needs, with the secrets that have not ended at `now` and with its owner, in one
   * statement and so of one moment; null when there is none.
   */
  async findForAuthentication(clientId: string, now: Date): Promise<CredentialRecord | null> {
    const { entities, raw } = await this.source.manager
      .createQueryBuilder(ClientEntity, 'client')
      .leftJoinAndMapMany('client.secrets', ClientSecretEntity, 'secret', ALIVE, { now })
      .addSelect('secret.hashedSecret')
      .addSelect(OWNER_JSON, 'owner')
      .addSelect(TOKENS_JSON, 'tokens')
      .where('client.client_id = :clientId', { clientId })
      .getRawAndEntities<{ owner: OwnerRow | null; tokens: CachedTokens }>();
    const found = entities[0] as (ClientEntity & { secrets: ClientSecretEntity[] }) | undefined;
    const [row] = raw;
    if (found === undefined || row === undefined) return null;
    return {
      clientId: found.clientId,
      version: found.version,
      status: found.status,
      tier: found.tier,
      scopes: found.scopes,
      expiresAt: found.expiresAt?.getTime() ?? null,
      owner: toOwner(row.owner),
      tokens: row.tokens,
      allowedAddresses: found.allowedAddresses,
      allowedModels: found.allowedModels,
      allowedProviders: found.allowedProviders,
      usedFrom: [...new Set(found.secrets.flatMap(({ lastUsedAddress }) => lastUsedAddress ?? []))],
      secrets: found.secrets.map((secret) => ({
        id: secret.id,
        hashedSecret: secret.hashedSecret,
        hint: secret.hint,
        expiresAt: secret.expiresAt?.getTime() ?? null,
      })),
    };
  }

  /** Stores a client and its first secret, both or neither. */
  async insert(client: ClientToInsert, secret: SecretToInsert, transaction: Transaction): Promise<Client> {
    await transaction.insert(ClientEntity, { ...client, status: 'active' });
    await transaction.insert(ClientSecretEntity, { ...secret, clientId: client.clientId });
    return required(await readClient(transaction, client.clientId));
  }

  /** The client, or null. @param ownerId as for `lockClient`. */
  find(clientId: string, ownerId: string | null = null): Promise<Client | null> {
    return readClient(this.source.manager, clientId, ownerId);
  }

  /**
   * Changes a client under a lock, and leaves word of it in the outbox in the same transaction (its own, unless
   * one is given); null when there is none.
   *
   * @param decide sees the client as it is and says what changes; when it throws, nothing does.
   * @param ownerId as for `lockClient`.
   */
  change(
    clientId: string,
    decide: (current: Client) => RowChanges,
    transaction?: Transaction,
    ownerId: string | null = null,
  ): Promise<ChangedClient | null> {
    return this.#within(transaction, async (manager) => {
      const current = await lockClient(manager, clientId, ownerId);
      if (current === null) return null;
      await manager.update(ClientEntity, { clientId }, decide(current));
      const change = await announcedChange(manager, clientId);
      return { client: required(await readClient(manager, clientId)), ...change };
    });
  }

  /**
   * Deletes a client and its secrets under a lock, and leaves word of it in the outbox in the same transaction (its own,
   * unless one is given).
   *
   * @param decide sees the client as it is; when it throws, nothing is deleted.
   * @param ownerId as for `lockClient`.
   * @returns a version above every one the client had; null when there is no such client.
   */
  remove(
    clientId: string,
    decide: (current: Client) => void,
    transaction?: Transaction,
    ownerId: string | null = null,
  ): Promise<AnnouncedChange | null> {
    return this.#within(transaction, async (manager) => {
      const current = await lockClient(manager, clientId, ownerId);
      if (current === null) return null;
      decide(current);
      await manager.delete(ClientEntity, { clientId });
      const [row] = await manager.query<{ version: string }[]>(`SELECT nextval('client_version_seq')::text AS version`);
      const { version } = required(row);
      await leaveFence(manager, clientId, version);
      return { version, changeId: await announcedAs(manager, clientId) };
    });
  }

  /** Revocations that may not have reached Redis, the longest waiting first. */
  pendingFences(limit: number): Promise<PendingFence[]> {
    return this.source.manager.find(CredentialFenceEntity, { order: { createdAt: 'ASC' }, take: limit });
  }

  /**
   * Forgets revocations that were carried; one of a later version stays. It waits for nobody's lock, so that it can be in
   * nobody's way: a change of a user with many keys writes as many rows as this deletes, in another order. What is locked
   * stays as well, and is carried once more.
   */
  async removeFences(fences: readonly PendingFence[]): Promise<void> {
    await this.source.manager.query(
      `WITH carried AS (
         SELECT fence.client_id FROM credential_fences AS fence
         JOIN unnest($1::text[], $2::bigint[]) AS told (client_id, version) USING (client_id)
         WHERE fence.version <= told.version FOR UPDATE OF fence SKIP LOCKED
       )
       DELETE FROM credential_fences AS fence USING carried WHERE fence.client_id = carried.client_id`,
      [fences.map(({ clientId }) => clientId), fences.map(({ version }) => version)],
    );
  }

  #within<T>(transaction: Transaction | undefined, work: (manager: Transaction) => Promise<T>): Promise<T> {
    return transaction === undefined ? this.source.transaction(work) : work(transaction);
  }
}
