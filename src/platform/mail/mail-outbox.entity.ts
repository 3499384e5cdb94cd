import { Column, Entity, Index, PrimaryGeneratedColumn, Unique } from 'typeorm';
import type { MailParams } from './mail-message.js';

/**
 * A mail that is still to be delivered: what it is about, not what it says. It is written when it is sent, so that a
 * one-time token is in the mail and, hashed, with its room, and nowhere else.
 */
@Entity('mail_outbox')
@Unique('mail_outbox_kind_params_key', ['kind', 'params'])
@Index('mail_outbox_next_attempt_at_idx', ['nextAttemptAt'])
export class MailOutboxEntity {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'mail_outbox_pkey',
  })
  id!: string;

  @Column({ type: 'text' })
  kind!: string;

  @Column({ type: 'jsonb' })
  params!: MailParams;

  @Column({ type: 'integer', default: 0 })
  attempts!: number;

  /** While it is being tried, the time at which that is taken to have failed. */
  @Column({ name: 'next_attempt_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  nextAttemptAt!: Date;

  @Column({ name: 'created_at', type: 'timestamp with time zone', precision: 3, default: () => 'now()' })
  createdAt!: Date;
}
