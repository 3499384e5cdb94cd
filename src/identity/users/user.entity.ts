import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/** `invited` has no password yet; `suspended` is refused everywhere, like one who does not exist. */
export const USER_STATUSES = ['invited', 'active', 'suspended'] as const;
export type UserStatus = (typeof USER_STATUSES)[number];

/** A person. */
@Entity('users')
@Check('users_status_check', `status IN ('invited', 'active', 'suspended')`)
@Unique('users_email_key_key', ['emailKey'])
@Index('users_created_at_idx', ['createdAt', 'id'])
@Index('users_name_idx', ['name', 'id'])
@Index('users_status_idx', ['status', 'createdAt', 'id'])
export class UserEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'users_pkey' })
  id!: string;

  /** As it was given. */
  @Column({ type: 'text' })
  email!: string;

  /** What other spellings of the address have in common with it (`emailKeyOf`). */
  @Column({ name: 'email_key', type: 'text', collation: 'C' })
  emailKey!: string;

  @Column({ type: 'text', collation: 'C' })
  name!: string;

  @Column({ type: 'text' })
  status!: UserStatus;

  @Column({ name: 'email_verified_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  emailVerifiedAt!: Date | null;

  /** bcrypt of the pre-hashed password (`password-text.ts`). */
  @Column({ name: 'password_hash', type: 'text', nullable: true, select: false })
  passwordHash!: string | null;

  @Column({ name: 'password_changed_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  passwordChangedAt!: Date | null;

  @Column({ type: 'text', default: 'paid' })
  tier!: string;

  /** Raised, it ends every token of the user. */
  @Column({ name: 'token_epoch', type: 'integer', default: 0, select: false })
  tokenEpoch!: number;

  /** Rises with every change of what a replica remembers of the user, by triggers. */
  @Column({ type: 'bigint', insert: false, update: false, select: false })
  version!: string;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  /** Kept by a trigger. */
  @Column({ name: 'updated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  updatedAt!: Date;
}
