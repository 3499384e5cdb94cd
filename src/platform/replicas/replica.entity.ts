import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A process that serves, as of its last beat. Times are PostgreSQL's. */
@Entity('replicas')
export class ReplicaEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'replicas_pkey' })
  id!: string;

  @Column({ name: 'started_at', type: 'timestamp with time zone', precision: 3, default: () => 'clock_timestamp()' })
  startedAt!: Date;

  @Column({ name: 'beat_at', type: 'timestamp with time zone', precision: 3, default: () => 'clock_timestamp()' })
  beatAt!: Date;

  /** How long after its last beat it may go on accepting what Redis was told to end. */
  @Column({ name: 'alone_seconds', type: 'integer' })
  aloneSeconds!: number;

  /** How long after its last beat it may go on accepting what Redis was not told to end. */
  @Column({ name: 'stale_seconds', type: 'integer' })
  staleSeconds!: number;
}
