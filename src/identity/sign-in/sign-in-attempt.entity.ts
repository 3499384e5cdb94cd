import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** One attempt to sign in that was hashed and not right, or is still under way. Written by SQL functions alone. */
@Entity('sign_in_attempts')
@Index('sign_in_attempts_account_idx', ['account', 'at'])
@Index('sign_in_attempts_address_idx', ['address', 'at'])
export class SignInAttemptEntity {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'sign_in_attempts_pkey',
  })
  id!: string;

  /** Keyed digest of the e-mail address, whether somebody has it or not. */
  @Column({ type: 'text', collation: 'C' })
  account!: string;

  /** The address for IPv4, its /64 for IPv6. */
  @Column({ type: 'text', collation: 'C' })
  address!: string;

  /** Keyed digest of a device that is known for the account; null: a stranger's. */
  @Column({ type: 'text', collation: 'C', nullable: true })
  device!: string | null;

  /** When it was reserved, by PostgreSQL's clock. */
  @Index('sign_in_attempts_at_idx')
  @Column({ type: 'timestamp with time zone', precision: 3 })
  at!: Date;

  /** When it was found wrong; null: under way, or its process died. */
  @Column({ name: 'decided_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  decidedAt!: Date | null;

  /** A later sign-in was right: it still counts as one of the day's, and delays nobody. */
  @Column({ type: 'boolean', default: false })
  forgiven!: boolean;
}
