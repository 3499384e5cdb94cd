import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A start of core-nest, and how many rows of the log it has numbered. */
@Entity('api_log_processes')
export class ApiLogProcessEntity {
  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'api_log_processes_pkey' })
  process!: number;

  /** The last number given, as of `markedAt`. */
  @Column({ type: 'integer' })
  issued!: number;

  /** It stopped in order, with its rows written. */
  @Column({ type: 'boolean' })
  ended!: boolean;

  @Column({ name: 'started_at', type: 'timestamp with time zone', default: () => 'clock_timestamp()' })
  startedAt!: Date;

  @Column({ name: 'marked_at', type: 'timestamp with time zone', default: () => 'clock_timestamp()' })
  markedAt!: Date;
}
