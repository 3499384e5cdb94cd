import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** The refresh tokens of one sign-in: each is exchanged once for the next. */
@Entity('refresh_families')
@Index('refresh_families_session_id_idx', ['sessionId'])
export class RefreshFamilyEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'refresh_families_pkey' })
  id!: string;

  @ForeignKey('sessions', { name: 'refresh_families_session_id_fkey', onDelete: 'CASCADE' })
  @Column({ name: 'session_id', type: 'text', collation: 'C' })
  sessionId!: string;

  /** `<epoch of everything>.<epoch of the user>` at the sign-in; with another one now the family has ended. */
  @Column({ type: 'text' })
  epoch!: string;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  /** The end of all its tokens, used or not. */
  @Index('refresh_families_expires_at_idx')
  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3 })
  expiresAt!: Date;

  @Column({ name: 'ended_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  endedAt!: Date | null;

  /** `reuse` or `revoked`. */
  @Column({ name: 'end_reason', type: 'text', nullable: true })
  endReason!: string | null;
}
