import { Column, Entity, PrimaryColumn } from 'typeorm';

/** That a session was used on a day (UTC) from a country. Kept for a few days, until the days are surely counted. */
@Entity('session_activity')
export class SessionActivityEntity {
  @PrimaryColumn({
    type: 'timestamp with time zone',
    precision: 3,
    primaryKeyConstraintName: 'session_activity_pkey',
  })
  day!: Date;

  @PrimaryColumn({
    name: 'session_id',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'session_activity_pkey',
  })
  sessionId!: string;

  /** Empty: unknown. */
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'session_activity_pkey' })
  country!: string;

  @Column({ name: 'user_id', type: 'text', collation: 'C' })
  userId!: string;

  @Column({ name: 'device_id', type: 'text', collation: 'C', nullable: true })
  deviceId!: string | null;

  /** It began with this row. */
  @Column({ type: 'boolean' })
  opened!: boolean;
}
