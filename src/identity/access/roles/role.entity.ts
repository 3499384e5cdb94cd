import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';

/** A role; what it holds and inherits is in two tables beside it. Triggers announce every change of the three. */
@Entity('roles')
@Unique('roles_name_key', ['name'])
export class RoleEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'roles_pkey' })
  id!: string;

  @Column({ type: 'text', collation: 'C' })
  name!: string;

  @Column({ type: 'text', default: '' })
  description!: string;

  /** One of those that everybody starts with; they are as they are. */
  @Column({ type: 'boolean', default: false })
  builtin!: boolean;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  updatedAt!: Date;
}
