import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

const KEY = { primaryKeyConstraintName: 'expiry_warnings_pkey' } as const;

/** That somebody was warned of an end, so many days ahead. Another end of the same subject is another row. */
@Entity('expiry_warnings')
export class ExpiryWarningEntity {
  /** Of a client or a secret. */
  @PrimaryColumn({ name: 'subject_id', type: 'text', collation: 'C', ...KEY })
  subjectId!: string;

  @Index('expiry_warnings_ends_at_idx')
  @PrimaryColumn({ name: 'ends_at', type: 'timestamp with time zone', precision: 3, ...KEY })
  endsAt!: Date;

  @PrimaryColumn({ type: 'smallint', ...KEY })
  days!: number;

  @Column({ name: 'warned_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  warnedAt!: Date;
}
