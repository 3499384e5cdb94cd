import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** Something changed that every replica holds in its memory. Kept for a day. */
@Entity('changes')
@Index('changes_subject_idx', ['subject', 'topic', 'id'])
export class ChangeEntity {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'changes_pkey',
  })
  id!: string;

  @Column({ type: 'text', collation: 'C' })
  topic!: string;

  @Column({ type: 'text', collation: 'C' })
  subject!: string;

  @Column({ type: 'bigint', nullable: true })
  version!: string | null;

  @Index('changes_created_at_idx')
  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;
}
