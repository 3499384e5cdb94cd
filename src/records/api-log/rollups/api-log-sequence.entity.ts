import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The rows of one process in one hour (UTC) that are in the log. The view `api_log_gaps` shows what is missing. */
@Entity('api_log_sequences')
export class ApiLogSequenceEntity {
  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'api_log_sequences_pkey' })
  process!: number;

  @PrimaryColumn({ type: 'timestamp with time zone', primaryKeyConstraintName: 'api_log_sequences_pkey' })
  hour!: Date;

  @Column({ type: 'integer' })
  rows!: number;

  @Column({ name: 'last_sequence', type: 'integer' })
  lastSequence!: number;
}
