import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';

/** A country that a user has signed in from. */
@Entity('known_countries')
export class KnownCountryEntity {
  @ForeignKey('users', { name: 'known_countries_user_id_fkey', onDelete: 'CASCADE' })
  @PrimaryColumn({ name: 'user_id', type: 'text', collation: 'C', primaryKeyConstraintName: 'known_countries_pkey' })
  userId!: string;

  /** ISO 3166-1 alpha-2. */
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'known_countries_pkey' })
  country!: string;

  @Column({ name: 'first_seen_at', type: 'timestamp with time zone', precision: 3 })
  firstSeenAt!: Date;

  @Column({ name: 'last_seen_at', type: 'timestamp with time zone', precision: 3 })
  lastSeenAt!: Date;
}
