import { Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { RoleEntity } from './role.entity.js';

/** A role that another one inherits from. */
@Entity('role_parents')
export class RoleParentEntity {
  @PrimaryColumn({ name: 'role_id', type: 'text', collation: 'C', primaryKeyConstraintName: 'role_parents_pkey' })
  roleId!: string;

  @ManyToOne(() => RoleEntity, { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'role_id', foreignKeyConstraintName: 'role_parents_role_id_fkey' })
  role?: RoleEntity;

  @Index('role_parents_parent_id_idx')
  @PrimaryColumn({ name: 'parent_id', type: 'text', collation: 'C', primaryKeyConstraintName: 'role_parents_pkey' })
  parentId!: string;

  @ManyToOne(() => RoleEntity, { nullable: false })
  @JoinColumn({ name: 'parent_id', foreignKeyConstraintName: 'role_parents_parent_id_fkey' })
  parent?: RoleEntity;
}
