import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { OPEN_END } from '../../../platform/database/open-end.js';

export const IP_RULE_ACTIONS = ['allow', 'block'] as const;
export type IpRuleAction = (typeof IP_RULE_ACTIONS)[number];

/** `automatic`: a block that this service made itself. */
export const IP_RULE_SOURCES = ['manual', 'automatic'] as const;
export type IpRuleSource = (typeof IP_RULE_SOURCES)[number];

/** What becomes of requests from a range of addresses. */
@Entity('ip_rules')
@Check('ip_rules_action_check', `action IN ('allow', 'block')`)
@Check(
  'ip_rules_source_check',
  `source = 'manual' OR (source = 'automatic' AND action = 'block' AND expires_at IS NOT NULL)`,
)
@Index('ip_rules_source_cidr_key', ['source', 'cidr'], { unique: true })
@Index('ip_rules_created_at_idx', ['createdAt', 'id'])
@Index('ip_rules_expires_at_idx', ['expiresAt'])
export class IpRuleEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'ip_rules_pkey' })
  id!: string;

  @Column({ type: 'cidr' })
  cidr!: string;

  @Column({ type: 'text' })
  action!: IpRuleAction;

  @Column({ type: 'text' })
  source!: IpRuleSource;

  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, nullable: true, transformer: OPEN_END })
  expiresAt!: Date | null;

  /** The client that made it; null for an automatic block. */
  @Column({ name: 'created_by', type: 'text', collation: 'C', nullable: true })
  createdBy!: string | null;

  /** How often in a row an address was blocked automatically: each block is twice as long as the one before. */
  @Column({ type: 'integer', default: 0 })
  strikes!: number;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  /** Kept by a trigger. */
  @Column({ name: 'updated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  updatedAt!: Date;
}
