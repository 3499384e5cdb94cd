import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { RefreshFamilyEntity } from './refresh-family.entity.js';

/** One refresh token, as its digest. Kept after its use until it would have ended, so that a second use is seen. */
@Entity('refresh_tokens')
export class RefreshTokenEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'refresh_tokens_pkey' })
  hash!: string;

  @Index('refresh_tokens_family_id_idx')
  @Column({ name: 'family_id', type: 'text', collation: 'C' })
  familyId!: string;

  @ManyToOne(() => RefreshFamilyEntity, { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'family_id', foreignKeyConstraintName: 'refresh_tokens_family_id_fkey' })
  family?: RefreshFamilyEntity;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Index('refresh_tokens_expires_at_idx')
  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3 })
  expiresAt!: Date;

  @Column({ name: 'used_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  usedAt!: Date | null;

  /** Keyed digest of who used it (see `RefreshTokenCodec.holder`). */
  @Column({ name: 'used_by', type: 'text', nullable: true })
  usedBy!: string | null;

  /** Digest of the token it was exchanged for. */
  @Column({ name: 'successor_hash', type: 'text', collation: 'C', nullable: true })
  successorHash!: string | null;
}
