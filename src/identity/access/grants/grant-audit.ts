import type { AuditEvent } from '../../../records/audit/audit.service.js';
import type { Author } from '../authority/author.js';
import type { StoredGrant } from './grants.repository.js';

/** What became of a grant. Conditions are told in JSON. */
export function grantEvent(
  action: 'grant.create' | 'grant.revoke',
  author: Author,
  grant: StoredGrant,
  roleName: string,
): AuditEvent<'grant.create' | 'grant.revoke'> {
  return { action, origin: author.origin, subject: subjectOf(grant), details: detailsOf(grant, roleName) };
}

/** That a grant was changed: what it is now, and what it was. */
export function grantUpdated(
  { origin }: Author,
  before: StoredGrant,
  after: StoredGrant,
  roleName: string,
): AuditEvent<'grant.update'> {
  const { conditions, expires_at, reason } = detailsOf(before, roleName);
  return {
    action: 'grant.update',
    origin,
    subject: subjectOf(after),
    details: {
      ...detailsOf(after, roleName),
      previous_conditions: conditions,
      previous_expires_at: expires_at,
      previous_reason: reason,
    },
  };
}

function subjectOf({ id }: StoredGrant) {
  return { type: 'grant', id } as const;
}

function detailsOf(grant: StoredGrant, roleName: string) {
  const { userId, roleId, effect, conditions, expiresAt, reason, scopeType, scopeResource, scopeId } = grant;
  return {
    user_id: userId,
    role_id: roleId,
    role: roleName,
    effect,
    scope: [scopeType, scopeResource, scopeId].filter((part) => part !== null).join(':'),
    conditions: conditions === null ? null : JSON.stringify(conditions),
    expires_at: expiresAt?.toISOString() ?? null,
    reason,
  };
}
