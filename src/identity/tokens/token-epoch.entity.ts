import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What every token carries: raised, all that carry a lower one are void. One row, `all`. */
@Entity('token_epochs')
export class TokenEpochEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'token_epochs_pkey' })
  name!: string;

  @Column({ type: 'integer', default: 0 })
  epoch!: number;
}
