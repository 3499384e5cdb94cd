import { Check, Column, Entity, ForeignKey, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { GrantConditions } from '../../../kernel/grant.js';
import { OPEN_END } from '../../../platform/database/open-end.js';
import { RoleEntity } from '../roles/role.entity.js';

export const GRANT_EFFECTS = ['allow', 'deny'] as const;
export type GrantEffect = (typeof GRANT_EFFECTS)[number];
export const SCOPE_TYPES = ['all', 'client', 'resource'] as const;
export type ScopeType = (typeof SCOPE_TYPES)[number];

/** A role that a user has, or is denied. Any change of one gives the user a new version, by trigger. */
@Entity('grants')
@Check('grants_effect_check', `effect IN ('allow', 'deny')`)
@Check(
  'grants_scope_check',
  `(scope_type = 'all' AND scope_resource IS NULL AND scope_id IS NULL)
   OR (scope_type = 'client' AND scope_resource IS NULL AND scope_id IS NOT NULL)
   OR (scope_type = 'resource' AND scope_resource IS NOT NULL AND scope_id IS NOT NULL)`,
)
@Index('grants_user_id_idx', ['userId', 'createdAt', 'id'])
export class GrantEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'grants_pkey' })
  id!: string;

  @ForeignKey('users', { onDelete: 'CASCADE', name: 'grants_user_id_fkey' })
  @Column({ name: 'user_id', type: 'text', collation: 'C' })
  userId!: string;

  @Index('grants_role_id_idx')
  @Column({ name: 'role_id', type: 'text', collation: 'C' })
  roleId!: string;

  @ManyToOne(() => RoleEntity, { nullable: false })
  @JoinColumn({ name: 'role_id', foreignKeyConstraintName: 'grants_role_id_fkey' })
  role?: RoleEntity;

  @Column({ type: 'text' })
  effect!: GrantEffect;

  @Column({ name: 'scope_type', type: 'text' })
  scopeType!: ScopeType;

  @Column({ name: 'scope_resource', type: 'text', nullable: true })
  scopeResource!: string | null;

  @Column({ name: 'scope_id', type: 'text', collation: 'C', nullable: true })
  scopeId!: string | null;

  @Column({ type: 'jsonb', nullable: true })
  conditions!: GrantConditions | null;

  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, nullable: true, transformer: OPEN_END })
  expiresAt!: Date | null;

  @Column({ type: 'text', default: '' })
  reason!: string;

  /** Who gave it: the id of a user or client; null: the operator. */
  @Column({ name: 'granted_by', type: 'text', collation: 'C', nullable: true })
  grantedBy!: string | null;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;
}
