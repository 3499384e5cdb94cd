import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

const KEY = { primaryKeyConstraintName: 'sign_in_recoveries_pkey' } as const;

/** An address from which a user set a new password by a token from their mail. */
@Entity('sign_in_recoveries')
export class SignInRecoveryEntity {
  @ForeignKey('users', { name: 'sign_in_recoveries_user_id_fkey', onDelete: 'CASCADE' })
  @PrimaryColumn({ name: 'user_id', type: 'text', collation: 'C', ...KEY })
  userId!: string;

  /** The address for IPv4, its /64 for IPv6. */
  @PrimaryColumn({ type: 'text', collation: 'C', ...KEY })
  address!: string;

  /** By PostgreSQL's clock. */
  @Index('sign_in_recoveries_until_idx')
  @Column({ type: 'timestamp with time zone', precision: 3 })
  until!: Date;
}
