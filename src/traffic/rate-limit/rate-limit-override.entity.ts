import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { OPEN_END } from '../../platform/database/open-end.js';
import type { StoredWindow } from './rate-limit-policy.entity.js';

/** The limit of a class for one client or user, before any policy; until `expires_at`, by PostgreSQL's clock. */
@Entity('rate_limit_overrides')
@Check(
  'rate_limit_overrides_subject_check',
  `subject_type IN ('client', 'user') AND length(subject_id) BETWEEN 1 AND 128`,
)
@Check('rate_limit_overrides_class_check', `class IN ('general', 'query', 'key_creation', 'streams')`)
@Check('rate_limit_overrides_windows_check', 'rate_limit_windows_valid(windows, cost)')
@Check('rate_limit_overrides_cost_check', 'cost BETWEEN 1 AND 1000000')
@Check('rate_limit_overrides_mode_check', `mode IN ('enforce', 'shadow')`)
@Check('rate_limit_overrides_reason_check', 'length(reason) <= 500')
@Check(
  'rate_limit_overrides_concurrent_check',
  `CASE class WHEN 'streams' THEN concurrent IS NOT NULL AND concurrent BETWEEN 1 AND 1000000 AND windows = '[]'::jsonb
     ELSE concurrent IS NULL END`,
)
@Index('rate_limit_overrides_updated_at_idx', ['updatedAt', 'revision'])
export class RateLimitOverrideEntity {
  @PrimaryColumn({
    name: 'subject_type',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'rate_limit_overrides_pkey',
  })
  subjectType!: string;

  @PrimaryColumn({
    name: 'subject_id',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'rate_limit_overrides_pkey',
  })
  subjectId!: string;

  @PrimaryColumn({ name: 'class', type: 'text', collation: 'C', primaryKeyConstraintName: 'rate_limit_overrides_pkey' })
  rateClass!: string;

  @Column({ type: 'jsonb', default: [] })
  windows!: readonly StoredWindow[];

  @Column({ type: 'integer', nullable: true })
  concurrent!: number | null;

  @Column({ type: 'integer', default: 1 })
  cost!: number;

  @Column({ type: 'text', default: 'enforce' })
  mode!: string;

  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  /** Rises with every change of any policy or override, by a trigger. */
  @Column({ type: 'bigint', insert: false, update: false })
  revision!: string;

  @Column({ name: 'updated_by', type: 'text', nullable: true })
  updatedBy!: string | null;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  /** Kept by a trigger. */
  @Column({ name: 'updated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  updatedAt!: Date;

  @Index('rate_limit_overrides_expires_at_idx')
  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, nullable: true, transformer: OPEN_END })
  expiresAt!: Date | null;
}
