import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The requests of one client in one hour (UTC). An empty `clientId` stands for the requests of no client. */
@Entity('api_log_rollups')
@Index('api_log_rollups_client_idx', { synchronize: false })
export class ApiLogRollupEntity {
  @PrimaryColumn({ type: 'timestamp with time zone', primaryKeyConstraintName: 'api_log_rollups_pkey' })
  hour!: Date;

  @PrimaryColumn({ name: 'client_id', type: 'text', primaryKeyConstraintName: 'api_log_rollups_pkey' })
  clientId!: string;

  @Column({ type: 'integer' })
  requests!: number;

  /** Answered 4xx, but for 429 and 499. */
  @Column({ type: 'integer' })
  refused!: number;

  /** Answered 429. */
  @Column({ name: 'rate_limited', type: 'integer' })
  rateLimited!: number;

  /** Answered 5xx. */
  @Column({ type: 'integer' })
  failed!: number;

  /** Left before the whole answer was written: 499. */
  @Column({ name: 'caller_left', type: 'integer' })
  callerLeft!: number;

  @Column({ name: 'input_tokens', type: 'bigint' })
  inputTokens!: string;

  @Column({ name: 'output_tokens', type: 'bigint' })
  outputTokens!: string;

  @Column({ name: 'bytes_in', type: 'bigint' })
  bytesIn!: string;

  @Column({ name: 'bytes_out', type: 'bigint' })
  bytesOut!: string;

  @Column({ name: 'latency_ms_sum', type: 'double precision' })
  latencyMsSum!: number;

  @Column({ name: 'latency_ms_max', type: 'real' })
  latencyMsMax!: number;
}
