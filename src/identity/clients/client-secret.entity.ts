import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { OPEN_END } from '../../platform/database/open-end.js';
import { ClientEntity } from './client.entity.js';

/** One secret of a client: a bcrypt hash, and four characters to know it by. */
@Entity('client_secrets')
export class ClientSecretEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'client_secrets_pkey' })
  id!: string;

  @Index('client_secrets_client_id_idx')
  @Column({ name: 'client_id', type: 'text', collation: 'C' })
  clientId!: string;

  @ManyToOne(() => ClientEntity, { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'client_id', foreignKeyConstraintName: 'client_secrets_client_id_fkey' })
  client?: ClientEntity;

  /** Read by the credential check alone. */
  @Column({ name: 'hashed_secret', type: 'text', select: false })
  hashedSecret!: string;

  @Column({ type: 'text' })
  hint!: string;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  @Index('client_secrets_expires_at_idx', { where: 'expires_at IS NOT NULL' })
  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, nullable: true, transformer: OPEN_END })
  expiresAt!: Date | null;

  /** Set when it was ended at once: it is refused whatever a clock says. `expires_at` then says since when. */
  @Column({ name: 'revoked_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  revokedAt!: Date | null;

  /** A rotation asked it to end once it has not been used for a day from here on. */
  @Index('client_secrets_finish_idle_since_idx', { where: 'finish_idle_since IS NOT NULL' })
  @Column({ name: 'finish_idle_since', type: 'timestamp with time zone', precision: 3, nullable: true })
  finishIdleSince!: Date | null;

  /** The last use, to about a minute. A change of it is no change of the credential: the client's version stays. */
  @Column({ name: 'last_used_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  lastUsedAt!: Date | null;

  @Column({ name: 'last_used_address', type: 'text', nullable: true })
  lastUsedAddress!: string | null;

  @Column({ name: 'last_used_user_agent', type: 'text', nullable: true })
  lastUsedUserAgent!: string | null;
}
