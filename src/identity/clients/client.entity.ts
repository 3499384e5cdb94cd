import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { OPEN_END } from '../../platform/database/open-end.js';
import type { Environment } from './api-key.js';

/** A client is let in while `active`; `disabled` is refused like an unknown one. */
export const CLIENT_STATUSES = ['active', 'disabled'] as const;
export type ClientStatus = (typeof CLIENT_STATUSES)[number];

/** An application that calls us. */
@Entity('clients')
@Check('clients_environment_check', `environment IN ('live', 'test')`)
@Check('clients_status_check', `status IN ('active', 'disabled')`)
@Index('clients_created_at_idx', ['createdAt', 'clientId'])
@Index('clients_name_idx', ['name', 'clientId'])
@Index('clients_expires_at_idx', ['expiresAt'], { where: 'expires_at IS NOT NULL' })
// The schema builder reads the columns of these in the table's order, or cannot tell an expression's.
@Index('clients_status_idx', { synchronize: false })
@Index('clients_tier_idx', { synchronize: false })
@Index('clients_environment_idx', { synchronize: false })
@Index('clients_last_used_at_idx', { synchronize: false })
@Index('clients_ends_at_idx', { synchronize: false })
@Index('clients_name_trigrams_idx', { synchronize: false })
@Index('clients_owner_id_idx', { synchronize: false })
export class ClientEntity {
  @PrimaryColumn({ name: 'client_id', type: 'text', collation: 'C', primaryKeyConstraintName: 'clients_pkey' })
  clientId!: string;

  @Column({ type: 'text', collation: 'C' })
  name!: string;

  @Column({ type: 'text' })
  environment!: Environment;

  @Column({ type: 'text' })
  tier!: string;

  @Column({ type: 'text', array: true })
  scopes!: string[];

  @Column({ type: 'text' })
  status!: ClientStatus;

  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, nullable: true, transformer: OPEN_END })
  expiresAt!: Date | null;

  /** The user it belongs to, whose grants bound its scopes; null: nobody. */
  @ForeignKey('users', { name: 'clients_owner_id_fkey' })
  @Column({ name: 'owner_id', type: 'text', collation: 'C', nullable: true })
  ownerId!: string | null;

  /** Addresses and CIDR ranges it may call from, in canonical spelling; null: from anywhere. */
  @Column({ name: 'allowed_addresses', type: 'text', array: true, nullable: true })
  allowedAddresses!: string[] | null;

  /** Models it may name: `provider/model`, `provider/*` or an alias; null: all. */
  @Column({ name: 'allowed_models', type: 'text', array: true, nullable: true })
  allowedModels!: string[] | null;

  /** Providers its models may be of; null: all. */
  @Column({ name: 'allowed_providers', type: 'text', array: true, nullable: true })
  allowedProviders!: string[] | null;

  /** When one of its keys was last reported as leaked, and revoked. */
  @Column({ name: 'leak_reported_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  leakReportedAt!: Date | null;

  /** The last use of any of its secrets, to about an hour, for the list. A change of it leaves the version alone. */
  @Column({ name: 'last_used_at', type: 'timestamp with time zone', precision: 3, nullable: true, select: false })
  lastUsedAt!: Date | null;

  /** Its own end or the last end of its secrets, whichever comes first; null: it has none. Kept by a trigger. */
  @Column({
    name: 'ends_at',
    type: 'timestamp with time zone',
    precision: 3,
    nullable: true,
    select: false,
    insert: false,
    update: false,
  })
  endsAt!: Date | null;

  /** Its short tokens carry it: raised, they end. Raised by a trigger, too, when a secret is revoked. */
  @Column({ name: 'token_epoch', type: 'integer', default: 0, insert: false, update: false })
  tokenEpoch!: number;

  /** Rises with every change of the client or its secrets, by triggers; a decimal number beyond 2^53 in principle. */
  @Column({ type: 'bigint', insert: false, update: false })
  version!: string;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  /** Kept by a trigger. */
  @Column({ name: 'updated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  updatedAt!: Date;
}
