import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { UserEntity } from './user.entity.js';

/** What a token that was sent by mail is good for. */
export const TOKEN_PURPOSES = ['invite', 'verify_email', 'reset_password'] as const;
export type TokenPurpose = (typeof TOKEN_PURPOSES)[number];

/** A token that works once: it proves that whoever brings it reads the mail of this address. */
@Entity('one_time_tokens')
@Check('one_time_tokens_purpose_check', `purpose IN ('invite', 'verify_email', 'reset_password')`)
@Unique('one_time_tokens_mail_id_key', ['mailId'])
@Index('one_time_tokens_user_id_idx', ['userId', 'purpose'])
@Index('one_time_tokens_expires_at_idx', ['expiresAt'])
export class OneTimeTokenEntity {
  /** SHA-256 of the token, in base64url. */
  @PrimaryColumn({
    name: 'token_hash',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'one_time_tokens_pkey',
  })
  tokenHash!: string;

  @Column({ type: 'text' })
  purpose!: TokenPurpose;

  @ForeignKey(() => UserEntity, { name: 'one_time_tokens_user_id_fkey', onDelete: 'CASCADE' })
  @Column({ name: 'user_id', type: 'text', collation: 'C' })
  userId!: string;

  /** The address it was sent to. */
  @Column({ type: 'text' })
  email!: string;

  /** The mail it is in: another try at the same mail replaces it. */
  @Column({ name: 'mail_id', type: 'bigint', nullable: true })
  mailId!: string | null;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3 })
  expiresAt!: Date;
}
