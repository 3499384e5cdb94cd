import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** A window as it is stored; without a mode it has its policy's. */
export interface StoredWindow {
  readonly quota: number;
  readonly window_seconds: number;
  readonly mode?: string;
}

/** The limit of a class for a tier (`*`: every tier without a row of its own), in place of the environment's. */
@Entity('rate_limit_policies')
@Check(
  'rate_limit_policies_class_check',
  `class IN ('general', 'query', 'key_creation', 'login', 'address', 'streams')`,
)
@Check(
  'rate_limit_policies_tier_check',
  `tier = '*' OR (tier ~ '^[a-z][a-z0-9_-]{0,31}$' AND class NOT IN ('login', 'address'))`,
)
@Check('rate_limit_policies_windows_check', 'rate_limit_windows_valid(windows, cost)')
@Check('rate_limit_policies_cost_check', 'cost BETWEEN 1 AND 1000000')
@Check('rate_limit_policies_mode_check', `mode IN ('enforce', 'shadow')`)
@Check('rate_limit_policies_reason_check', 'length(reason) <= 500')
@Check(
  'rate_limit_policies_concurrent_check',
  `CASE class WHEN 'streams' THEN concurrent IS NOT NULL AND concurrent BETWEEN 1 AND 1000000 AND windows = '[]'::jsonb
     ELSE concurrent IS NULL END`,
)
export class RateLimitPolicyEntity {
  @PrimaryColumn({ name: 'class', type: 'text', collation: 'C', primaryKeyConstraintName: 'rate_limit_policies_pkey' })
  rateClass!: string;

  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'rate_limit_policies_pkey' })
  tier!: string;

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
}
