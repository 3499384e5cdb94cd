import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';

/** A device that a user has signed in on. */
@Entity('known_devices')
export class KnownDeviceEntity {
  @ForeignKey('users', { name: 'known_devices_user_id_fkey', onDelete: 'CASCADE' })
  @PrimaryColumn({ name: 'user_id', type: 'text', collation: 'C', primaryKeyConstraintName: 'known_devices_pkey' })
  userId!: string;

  /** The random part of its cookie. */
  @PrimaryColumn({ name: 'device_id', type: 'text', collation: 'C', primaryKeyConstraintName: 'known_devices_pkey' })
  deviceId!: string;

  @Column({ name: 'first_seen_at', type: 'timestamp with time zone', precision: 3 })
  firstSeenAt!: Date;

  /** Its last sign-in. */
  @Column({ name: 'last_seen_at', type: 'timestamp with time zone', precision: 3 })
  lastSeenAt!: Date;
}
