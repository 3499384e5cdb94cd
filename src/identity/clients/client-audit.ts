import type { AuditEvent, AuditOrigin } from '../../records/audit/audit.service.js';
import type { Client } from './client-rows.repository.js';
import type { ClientChanges } from './clients.repository.js';

/** Names of a client's fields as the wire has them, and so the audit log. */
const WIRE_NAMES = {
  name: 'name',
  tier: 'tier',
  scopes: 'scopes',
  status: 'status',
  expiresAt: 'expires_at',
  allowedAddresses: 'allowed_addresses',
  allowedModels: 'allowed_models',
  allowedProviders: 'allowed_providers',
} as const satisfies Record<keyof ClientChanges, string>;

/** That a client was made, as it is now. */
export function clientCreated(origin: AuditOrigin, client: Client): AuditEvent<'client.create'> {
  return {
    action: 'client.create',
    origin,
    subject: { type: 'client', id: client.clientId },
    details: {
      name: client.name,
      tier: client.tier,
      scopes: client.scopes,
      environment: client.environment,
      expires_at: client.expiresAt?.toISOString() ?? null,
      owner_id: client.ownerId,
      allowed_addresses: client.allowedAddresses,
      allowed_models: client.allowedModels,
      allowed_providers: client.allowedProviders,
    },
  };
}

/** That a client was changed: which fields, what they are now and what they were. */
export function clientUpdated(
  origin: AuditOrigin,
  before: Client,
  client: Client,
  changes: ClientChanges,
): AuditEvent<'client.update'> {
  const fields = (Object.keys(WIRE_NAMES) as (keyof ClientChanges)[]).filter((field) => changes[field] !== undefined);
  const values = fields.flatMap((field) => [
    [WIRE_NAMES[field], asDetail(client[field])],
    [`previous_${WIRE_NAMES[field]}`, asDetail(before[field])],
  ]);
  return {
    action: 'client.update',
    origin,
    subject: { type: 'client', id: client.clientId },
    details: { changed: fields.map((field) => WIRE_NAMES[field]), ...Object.fromEntries(values) },
  };
}

function asDetail<T>(value: T | Date): T | string {
  return value instanceof Date ? value.toISOString() : value;
}

/** That a client was revoked, with all its secrets. */
export function clientRevoked(origin: AuditOrigin, clientId: string): AuditEvent<'client.revoke'> {
  return { action: 'client.revoke', origin, subject: { type: 'client', id: clientId } };
}

/** That a client was given to another user, or to nobody. */
export function clientHandedOver(
  origin: AuditOrigin,
  { clientId, ownerId }: Client,
  previousOwnerId: string | null,
): AuditEvent<'client.hand_over'> {
  return {
    action: 'client.hand_over',
    origin,
    subject: { type: 'client', id: clientId },
    details: { owner_id: ownerId, previous_owner_id: previousOwnerId },
  };
}
