import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** An access token that was revoked before its end; the row goes when the token would have ended. */
@Entity('revoked_tokens')
@Index('revoked_tokens_user_id_idx', ['userId'], { where: 'user_id IS NOT NULL' })
@Index('revoked_tokens_client_id_idx', ['clientId'], { where: 'client_id IS NOT NULL' })
export class RevokedTokenEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'revoked_tokens_pkey' })
  jti!: string;

  /** Whose token it was, where it was a user's. */
  @Column({ name: 'user_id', type: 'text', collation: 'C', nullable: true })
  userId!: string | null;

  /** Whose token it was, where it was a client's. */
  @Column({ name: 'client_id', type: 'text', collation: 'C', nullable: true })
  clientId!: string | null;

  @Index('revoked_tokens_expires_at_idx')
  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3 })
  expiresAt!: Date;
}
