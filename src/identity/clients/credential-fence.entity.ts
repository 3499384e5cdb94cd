import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A revocation that Redis may not have been told of: written with the change, removed once it is carried. */
@Entity('credential_fences')
export class CredentialFenceEntity {
  @PrimaryColumn({
    name: 'client_id',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'credential_fences_pkey',
  })
  clientId!: string;

  /** Cached credentials of the client with a lower version are void. */
  @Column({ type: 'bigint' })
  version!: string;

  @Index('credential_fences_created_at_idx')
  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;
}
