import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** One thing that was done, by whom and to what. Insert-only: a trigger refuses UPDATE, DELETE and TRUNCATE. */
@Entity('audit_logs')
@Index('audit_logs_at_idx', ['at', 'id'])
@Index('audit_logs_action_idx', ['action', 'at', 'id'])
// On a part of the rows.
@Index('audit_logs_actor_idx', { synchronize: false })
@Index('audit_logs_user_idx', { synchronize: false })
@Index('audit_logs_subject_idx', { synchronize: false })
@Index('audit_logs_session_idx', { synchronize: false })
@Index('audit_logs_request_idx', { synchronize: false })
@Index('audit_logs_outcome_idx', { synchronize: false })
export class AuditLogEntity {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'audit_logs_pkey',
  })
  id!: string;

  /** By PostgreSQL's clock. */
  @Column({ type: 'timestamp with time zone', precision: 3, default: () => 'clock_timestamp()' })
  at!: Date;

  @Column({ type: 'text' })
  action!: string;

  @Column({ name: 'actor_type', type: 'text' })
  actorType!: string;

  @Column({ name: 'actor_id', type: 'text', collation: 'C', nullable: true })
  actorId!: string | null;

  @Column({ name: 'subject_type', type: 'text' })
  subjectType!: string;

  @Column({ name: 'subject_id', type: 'text', collation: 'C', nullable: true })
  subjectId!: string | null;

  @Column({ type: 'text', nullable: true })
  address!: string | null;

  @Column({ name: 'request_id', type: 'text', nullable: true })
  requestId!: string | null;

  @Column({ type: 'text' })
  outcome!: string;

  @Column({ type: 'jsonb', default: {} })
  details!: Record<string, unknown>;

  /** The user behind the actor: the actor itself, or the owner of a key; null in rows of an earlier release. */
  @Column({ name: 'user_id', type: 'text', collation: 'C', nullable: true })
  userId!: string | null;

  @Column({ name: 'session_id', type: 'text', collation: 'C', nullable: true })
  sessionId!: string | null;
}
