import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

/**
 * One request. The table is partitioned by UTC day of `createdAt`. No column can hold a header value, a URL or a body;
 * columns that are not in the earlier core-nest's log are null in its rows.
 */
@Entity('api_logs')
// On expressions, on a part of the rows, or on columns in an order that the schema builder would remake.
@Index('api_logs_client_time_idx', { synchronize: false })
@Index('api_logs_user_idx', { synchronize: false })
@Index('api_logs_request_hash_idx', { synchronize: false })
@Index('api_logs_status_idx', { synchronize: false })
@Index('api_logs_client_status_idx', { synchronize: false })
@Index('api_logs_error_idx', { synchronize: false })
@Index('api_logs_address_idx', ['clientAddress'])
@Index('api_logs_model_idx', ['model'])
export class ApiLogEntity {
  @PrimaryColumn({
    name: 'created_at',
    type: 'timestamp with time zone',
    default: () => 'now()',
    primaryKeyConstraintName: 'api_logs_pkey',
  })
  createdAt!: Date;

  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'api_logs_pkey' })
  id!: string;

  @Column({ name: 'request_id', type: 'text', nullable: true })
  requestId!: string | null;

  @Column({ type: 'text' })
  method!: string;

  @Column({ type: 'text', nullable: true })
  route!: string | null;

  @Column({ type: 'integer' })
  status!: number;

  @Column({ name: 'latency_ms', type: 'real' })
  latencyMs!: number;

  @Column({ name: 'client_id', type: 'text', nullable: true })
  clientId!: string | null;

  @Column({ name: 'client_address', type: 'text', nullable: true })
  clientAddress!: string | null;

  @Column({ name: 'bytes_in', type: 'bigint', nullable: true })
  bytesIn!: string | null;

  @Column({ name: 'bytes_out', type: 'bigint', nullable: true })
  bytesOut!: string | null;

  @Column({ name: 'auth_method', type: 'text', nullable: true })
  authMethod!: string | null;

  @Column({ name: 'caller_kind', type: 'text', nullable: true })
  callerKind!: string | null;

  @Column({ type: 'text', nullable: true })
  provider!: string | null;

  @Column({ type: 'text', nullable: true })
  model!: string | null;

  @Column({ type: 'boolean', default: false })
  stream!: boolean;

  @Column({ name: 'input_tokens', type: 'integer', nullable: true })
  inputTokens!: number | null;

  @Column({ name: 'output_tokens', type: 'integer', nullable: true })
  outputTokens!: number | null;

  @Column({ name: 'error_code', type: 'text', nullable: true })
  errorCode!: string | null;

  /** The start of core-nest that wrote the row; null in rows of an earlier release. */
  @Column({ type: 'integer', nullable: true })
  process!: number | null;

  /** The request's number among those of its process, from 1. */
  @Column({ type: 'integer', nullable: true })
  sequence!: number | null;

  /** Who signed in, or the owner of the key; null in rows of an earlier release. */
  @Column({ name: 'user_id', type: 'text', nullable: true })
  userId!: string | null;
}
