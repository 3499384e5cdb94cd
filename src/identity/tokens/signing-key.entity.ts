import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { PublicJwk } from './signing-key.js';

/** A key that signs access tokens, or did, or will. */
@Entity('signing_keys')
export class SigningKeyEntity {
  /** RFC 7638 thumbprint of the public part. */
  @PrimaryColumn({ type: 'text', collation: 'C', primaryKeyConstraintName: 'signing_keys_pkey' })
  kid!: string;

  @Column({ name: 'public_jwk', type: 'jsonb' })
  publicJwk!: PublicJwk;

  /** See `SigningKeySeal`. */
  @Column({ name: 'sealed_private_key', type: 'text' })
  sealedPrivateKey!: string;

  /** It signs from then on; it is published before. */
  @Column({ name: 'not_before', type: 'timestamp with time zone', precision: 3 })
  notBefore!: Date;

  /** Its successor signs from then on; null while it has none. */
  @Column({ name: 'retires_at', type: 'timestamp with time zone', precision: 3, nullable: true })
  retiresAt!: Date | null;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;
}
