import { Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { RoleEntity } from './role.entity.js';

/** A permission that a role holds itself. */
@Entity('role_permissions')
export class RolePermissionEntity {
  @PrimaryColumn({
    name: 'role_id',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'role_permissions_pkey',
  })
  roleId!: string;

  @ManyToOne(() => RoleEntity, { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'role_id', foreignKeyConstraintName: 'role_permissions_role_id_fkey' })
  role?: RoleEntity;

  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'role_permissions_pkey' })
  permission!: string;
}
