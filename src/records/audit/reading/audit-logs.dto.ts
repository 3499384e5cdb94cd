import { ApiProperty } from '@nestjs/swagger';
import { AUDIT_ACTIONS, AUDIT_ACTORS, AUDIT_OUTCOMES, AUDIT_SUBJECTS } from '../audit-actions.js';

const nullable = { nullable: true } as const;

/** One thing that was done, as the list shows it. */
export class AuditLogDto {
  @ApiProperty({ example: '4711', description: 'Grows with each row; numbers may be missing.' })
  id!: string;

  @ApiProperty({ format: 'date-time' })
  created_at!: string;

  @ApiProperty({ enum: Object.keys(AUDIT_ACTIONS) })
  action!: string;

  @ApiProperty({ enum: AUDIT_OUTCOMES })
  outcome!: string;

  @ApiProperty({
    enum: AUDIT_ACTORS,
    description: '`operator`: a command on the machine; `system`: core-nest by itself; `anonymous`: no credential.',
  })
  actor_type!: string;

  @ApiProperty({ type: String, ...nullable })
  actor_id!: string | null;

  @ApiProperty({ type: String, description: 'The user behind it: the actor, or the owner of the key.', ...nullable })
  user_id!: string | null;

  @ApiProperty({ enum: AUDIT_SUBJECTS })
  subject_type!: string;

  @ApiProperty({ type: String, ...nullable })
  subject_id!: string | null;

  @ApiProperty({ type: String, ...nullable })
  address!: string | null;

  @ApiProperty({ type: String, ...nullable })
  session_id!: string | null;

  @ApiProperty({ type: String, ...nullable })
  request_id!: string | null;

  @ApiProperty({
    type: Object,
    additionalProperties: true,
    description: 'What was done, never a secret; of a change, how it is since, and under `previous_…` how it was.',
  })
  details!: Readonly<Record<string, unknown>>;
}

/** A page of the audit log. */
export class AuditLogPageDto {
  @ApiProperty({ type: [AuditLogDto] })
  data!: readonly AuditLogDto[];

  @ApiProperty()
  has_more!: boolean;

  @ApiProperty({ type: String, description: 'The `cursor` of the next page.', ...nullable })
  next_cursor!: string | null;
}
