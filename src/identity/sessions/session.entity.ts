import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { OPEN_END } from '../../platform/database/open-end.js';

/** What a session is used by: access and refresh tokens, or the cookie of the console. */
export const SESSION_KINDS = ['token', 'cookie'] as const;
export type SessionKind = (typeof SESSION_KINDS)[number];

/**
 * One sign-in of one user on one device, for as long as it lasts. It is live while it has not ended, its end has not
 * come, and it was used within `idleSeconds`; rows of others stay for a while, to be looked at.
 */
@Entity('sessions')
@Check('sessions_kind_check', `kind IN ('token', 'cookie')`)
@Index('sessions_user_id_idx', ['userId', 'createdAt', 'id'])
@Index('sessions_live_idx', ['userId', 'createdAt'], { where: 'ended_at IS NULL' })
@Index('sessions_expires_at_idx', ['expiresAt'], { where: 'ended_at IS NULL' })
@Index('sessions_ended_at_idx', ['endedAt'], { where: 'ended_at IS NOT NULL' })
export class SessionEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'sessions_pkey' })
  id!: string;

  @ForeignKey('users', { name: 'sessions_user_id_fkey', onDelete: 'CASCADE' })
  @Column({ name: 'user_id', type: 'text', collation: 'C' })
  userId!: string;

  @Column({ type: 'text' })
  kind!: SessionKind;

  /** SHA-256 of the cookie's secret; null for one of tokens. */
  @Column({ name: 'secret_hash', type: 'text', nullable: true, select: false })
  secretHash!: string | null;

  /** How the sign-in was proved. */
  @Column({ type: 'text' })
  method!: string;

  /** The same in the words of RFC 8176. */
  @Column({ type: 'text', array: true, default: () => "'{}'" })
  amr!: string[];

  @Column({ type: 'boolean', default: false })
  mfa!: boolean;

  /** When the user last proved who they are. */
  @Column({ name: 'authenticated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  authenticatedAt!: Date;

  @Column({ name: 'device_id', type: 'text', nullable: true })
  deviceId!: string | null;

  /** What the device says of itself, as it may be shown. */
  @Column({ type: 'text', nullable: true })
  device!: string | null;

  /** Where it was signed in from. */
  @Column({ type: 'text', nullable: true })
  address!: string | null;

  @Column({ type: 'text', nullable: true })
  country!: string | null;

  /** Where it was last used from; null: nowhere else yet. */
  @Column({ name: 'seen_address', type: 'text', nullable: true })
  seenAddress!: string | null;

  @Column({ name: 'seen_country', type: 'text', nullable: true })
  seenCountry!: string | null;

  /** When its use from two countries at once was last told of. */
  @Column({ name: 'alarmed_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  alarmedAt!: Date | null;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  /** Good to about a minute. */
  @Column({ name: 'last_seen_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  lastSeenAt!: Date;

  @Column({ name: 'idle_seconds', type: 'integer' })
  idleSeconds!: number;

  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, transformer: OPEN_END })
  expiresAt!: Date;

  @Column({ name: 'ended_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  endedAt!: Date | null;

  @Column({ name: 'end_reason', type: 'text', nullable: true })
  endReason!: string | null;
}
