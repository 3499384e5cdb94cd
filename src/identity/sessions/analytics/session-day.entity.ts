import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What sessions amounted to on one day (UTC): in all, and by country. */
@Entity('session_days')
export class SessionDayEntity {
  @PrimaryColumn({ type: 'timestamp with time zone', precision: 3, primaryKeyConstraintName: 'session_days_pkey' })
  day!: Date;

  /** ISO 3166-1 alpha-2, or `ZZ` where it is unknown; empty: all of them. */
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'session_days_pkey' })
  country!: string;

  /** Sign-ins. */
  @Column({ type: 'integer' })
  opened!: number;

  /** Sessions in use. */
  @Column({ type: 'integer' })
  sessions!: number;

  @Column({ type: 'integer' })
  users!: number;

  @Column({ type: 'integer' })
  devices!: number;

  @Column({ type: 'integer' })
  countries!: number;
}
