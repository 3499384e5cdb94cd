import { type EntityManager, In } from 'typeorm';
import { ClientEntity } from './client.entity.js';
import { ClientSecretEntity } from './client-secret.entity.js';

/** A client with its secrets, oldest first; without the hashes. */
export interface Client
  extends Pick<
    ClientEntity,
    | 'clientId'
    | 'name'
    | 'environment'
    | 'tier'
    | 'scopes'
    | 'status'
    | 'ownerId'
    | 'allowedAddresses'
    | 'allowedModels'
    | 'allowedProviders'
    | 'expiresAt'
    | 'leakReportedAt'
    | 'createdAt'
    | 'updatedAt'
  > {
  readonly secrets: readonly ClientSecret[];
}

/** What may be shown of a secret. */
export type ClientSecret = Pick<
  ClientSecretEntity,
  'id' | 'hint' | 'createdAt' | 'expiresAt' | 'lastUsedAt' | 'lastUsedAddress' | 'lastUsedUserAgent'
>;

/** What a change is known by: the version that voids everything cached before, and as it was announced. */
export interface AnnouncedChange {
  readonly version: string;
  readonly changeId: string | null;
}

/** The client, or null. @param ownerId as for `lockClient`. */
export async function readClient(
  manager: EntityManager,
  clientId: string,
  ownerId: string | null = null,
): Promise<Client | null> {
  const [client] = await withSecrets(manager, await manager.findBy(ClientEntity, whereOf(clientId, ownerId)));
  return client ?? null;
}

/**
 * The client, locked until the transaction ends; null when there is none. Its secrets are changed under this lock alone.
 *
 * @param ownerId whose client it must be; null: anybody's. Another's is found as little as one that does not exist.
 */
export async function lockClient(
  manager: EntityManager,
  clientId: string,
  ownerId: string | null = null,
): Promise<Client | null> {
  const where = whereOf(clientId, ownerId);
  const locked = await manager.find(ClientEntity, { where, lock: { mode: 'pessimistic_write' } });
  const [client] = await withSecrets(manager, locked);
  return client ?? null;
}

function whereOf(clientId: string, ownerId: string | null) {
  return ownerId === null ? { clientId } : { clientId, ownerId };
}

/** The clients with their secrets, in the order given. */
export async function withSecrets(manager: EntityManager, clients: readonly ClientEntity[]): Promise<Client[]> {
  if (clients.length === 0) return [];
  const secrets = await manager.find(ClientSecretEntity, {
    where: { clientId: In(clients.map(({ clientId }) => clientId)) },
    order: { createdAt: 'ASC', id: 'ASC' },
  });
  const byClient = Map.groupBy(secrets, ({ clientId }) => clientId);
  return clients.map((client) => ({ ...client, secrets: byClient.get(client.clientId) ?? [] }));
}

/**
 * What a change that was just made in this transaction is known by. Leaves word of it in the outbox, for when Redis
 * cannot be told.
 */
export async function announcedChange(manager: EntityManager, clientId: string): Promise<AnnouncedChange> {
  const { version } = await manager.findOneOrFail(ClientEntity, { where: { clientId }, select: { version: true } });
  await leaveFence(manager, clientId, version);
  return { version, changeId: await announcedAs(manager, clientId) };
}

/** The last change of the client that the table's triggers announced, in this transaction or before. */
export async function announcedAs(manager: EntityManager, clientId: string): Promise<string | null> {
  const [row] = await manager.query<{ id: string | null }[]>(
    `SELECT max(id)::text AS id FROM changes WHERE topic = 'client' AND subject = $1`,
    [clientId],
  );
  return row?.id ?? null;
}

/** Leaves word in the outbox that everything cached of the client before this version is void. */
export async function leaveFence(manager: EntityManager, clientId: string, version: string): Promise<void> {
  await manager.query(
    `INSERT INTO credential_fences AS fence (client_id, version) VALUES ($1, $2)
     ON CONFLICT (client_id) DO UPDATE SET version = GREATEST(fence.version, EXCLUDED.version)`,
    [clientId, version],
  );
}

/** A row that was just written. */
export function required<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('A row just written is not there.');
  return value;
}
