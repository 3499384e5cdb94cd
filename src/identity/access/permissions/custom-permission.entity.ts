import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** A permission that an administrator made, for what core-nest itself does not know. */
@Entity('custom_permissions')
@Check('custom_permissions_name_check', `name ~ '^[a-z][a-z0-9_]{0,47}:[a-z][a-z0-9_]{0,31}$'`)
export class CustomPermissionEntity {
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'custom_permissions_pkey' })
  name!: string;

  @Column({ type: 'text', default: '' })
  description!: string;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  updatedAt!: Date;
}
