import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
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

  @Column({ name: 'expires_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  expiresAt!: Date | null;

  /** Rises with every change of the client or its secrets, by triggers; a decimal number beyond 2^53 in principle. */
  @Column({ type: 'bigint', insert: false, update: false })
  version!: string;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  createdAt!: Date;

  /** Kept by a trigger. */
  @Column({ name: 'updated_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()', update: false })
  updatedAt!: Date;
}
