import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
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

  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  expiresAt!: Date | null;

  /** A change of it is no change of the credential: it leaves the client's version alone. */
  @Column({ name: 'last_used_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  lastUsedAt!: Date | null;
}
