import type { AuditEvent, AuditOrigin } from '../../records/audit/audit.service.js';
import type { User } from './users.repository.js';

const subject = (id: string) => ({ type: 'user', id }) as const;

/** That a user was made, as they are now. */
export function userCreated(origin: AuditOrigin, user: User): AuditEvent<'user.create'> {
  const { id, email, name, tier, status } = user;
  return { action: 'user.create', origin, subject: subject(id), details: { email, name, tier, status } };
}

/** That a user was sent an invitation. */
export function userInvited(origin: AuditOrigin, { id, email }: User): AuditEvent<'user.invite'> {
  return { action: 'user.invite', origin, subject: subject(id), details: { email } };
}

/** That name or tier of a user were changed; null when neither was. */
export function userUpdated(origin: AuditOrigin, before: User, after: User): AuditEvent<'user.update'> | null {
  const changed = (['name', 'tier'] as const).filter((field) => before[field] !== after[field]);
  if (changed.length === 0) return null;
  const details = {
    changed,
    ...(changed.includes('name') && { name: after.name, previous_name: before.name }),
    ...(changed.includes('tier') && { tier: after.tier, previous_tier: before.tier }),
  };
  return { action: 'user.update', origin, subject: subject(after.id), details };
}

/** That a user was kept out, or let in again. */
export function userStatusChanged(
  origin: AuditOrigin,
  { id, status }: User,
): AuditEvent<'user.suspend'> | AuditEvent<'user.restore'> {
  return status === 'suspended'
    ? { action: 'user.suspend', origin, subject: subject(id) }
    : { action: 'user.restore', origin, subject: subject(id), details: { status } };
}

/** That a user was removed; the record says who it was. */
export function userDeleted(origin: AuditOrigin, user: User, heirId: string | null): AuditEvent<'user.delete'> {
  const { id, email, status } = user;
  return { action: 'user.delete', origin, subject: subject(id), details: { email, status, handed_over_to: heirId } };
}

/** What a user did about their own account; a token of a mail stands for them. */
export function userActed<Action extends 'user.accept_invite' | 'user.password_reset' | 'user.password_change'>(
  action: Action,
  origin: AuditOrigin,
  userId: string,
): AuditEvent<Action> {
  return { action, origin: asUser(origin, userId), subject: subject(userId) };
}

/** That a user took another address, or proved to read the mail of the one there is. */
export function emailChanged(
  origin: AuditOrigin,
  userId: string,
  email: string,
  previous: string,
): AuditEvent<'user.email_change'> {
  const details = { email, previous_email: previous };
  return { action: 'user.email_change', origin: asUser(origin, userId), subject: subject(userId), details };
}

function asUser(origin: AuditOrigin, userId: string): AuditOrigin {
  return { ...origin, actorType: 'user', actorId: userId };
}
