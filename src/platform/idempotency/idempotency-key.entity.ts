import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** An answer that may have to be given once more: neither the caller's key nor the answer is readable here. */
@Entity('idempotency_keys')
export class IdempotencyKeyEntity {
  /** Keyed hash of caller, route, path and key. */
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'idempotency_keys_pkey' })
  id!: string;

  /** Keyed hash of what was asked for. */
  @Column({ type: 'text' })
  fingerprint!: string;

  /** The answer, sealed; empty inside the transaction that makes it, and never outside. */
  @Column({ type: 'bytea' })
  answer!: Buffer;

  /** From here on the answer is not given again, and the row goes. */
  @Index('idempotency_keys_expires_at_idx')
  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3 })
  expiresAt!: Date;
}
