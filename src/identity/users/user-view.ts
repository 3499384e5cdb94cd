import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import { PendingChangeView } from '../../platform/http/pending-change.js';
import { USER_STATUSES } from './user.entity.js';
import type { User } from './users.repository.js';

/** A user on the wire: an allow-list, so that no hash and no later column gets out by itself. */
export class UserView {
  @ApiProperty({ example: 'usr_0123456789ABCDEFGHIJ' }) user_id!: string;
  @ApiProperty({ format: 'email' }) email!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: USER_STATUSES }) status!: string;
  @ApiProperty() tier!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) email_verified_at!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) password_changed_at!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

/** A page of users. */
export class UserPageView {
  @ApiProperty({ type: [UserView] }) data!: UserView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/** A changed user, while not every replica has confirmed the change. */
export class PendingUserView extends IntersectionType(UserView, PendingChangeView) {}

/** That a mail was promised; whether there is anybody to send it to is not told. */
export class MailPromisedView {
  @ApiProperty({ enum: ['promised'] }) mail!: 'promised';
}

/** A user as it may be shown to whoever may read users, and to themselves. */
export function presentUser(user: User): UserView {
  return {
    user_id: user.id,
    email: user.email,
    name: user.name,
    status: user.status,
    tier: user.tier,
    email_verified_at: user.emailVerifiedAt?.toISOString() ?? null,
    password_changed_at: user.passwordChangedAt?.toISOString() ?? null,
    created_at: user.createdAt.toISOString(),
    updated_at: user.updatedAt.toISOString(),
  };
}
