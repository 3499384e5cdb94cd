import type { AuditEvent } from '../../../records/audit/audit.service.js';
import type { Author } from '../authority/author.js';
import type { Role } from './roles.repository.js';

/** That a role was made, or is no more: what it holds, or held. */
export function roleEvent(
  action: 'role.create' | 'role.delete',
  { origin }: Author,
  { id, name, permissions, parents }: Role,
): AuditEvent<'role.create' | 'role.delete'> {
  return { action, origin, subject: { type: 'role', id }, details: { name, permissions, parents } };
}

/** That a role was changed: what it is now, and what it was. */
export function roleUpdated({ origin }: Author, before: Role, after: Role): AuditEvent<'role.update'> {
  const { id, name, permissions, parents } = after;
  return {
    action: 'role.update',
    origin,
    subject: { type: 'role', id },
    details: {
      name,
      permissions,
      parents,
      previous_name: before.name,
      previous_permissions: before.permissions,
      previous_parents: before.parents,
    },
  };
}
