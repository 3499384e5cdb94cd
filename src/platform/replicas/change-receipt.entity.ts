import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A replica's word that a change is in force there. */
@Entity('change_receipts')
export class ChangeReceiptEntity {
  @PrimaryColumn({ name: 'change_id', type: 'bigint', primaryKeyConstraintName: 'change_receipts_pkey' })
  changeId!: string;

  @PrimaryColumn({
    name: 'replica_id',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'change_receipts_pkey',
  })
  replicaId!: string;

  @Index('change_receipts_at_idx')
  @Column({ type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  at!: Date;
}
