import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import { PendingChangeView } from '../../platform/http/pending-change.js';
import type { RaisedSession } from './session-rises.js';

/** A session in which somebody proved anew who they are. */
export class RaisedSessionView {
  @ApiProperty({ example: 'ses_0123456789ABCDEFGHIJ' }) session_id!: string;
  @ApiProperty({ format: 'date-time', description: 'When you last proved who you are.' }) authenticated_at!: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Takes the place of the one before. Null: your credential is no cookie, and needs none.',
  })
  csrf_token!: string | null;
}

/** The same, while not every replica has confirmed it. */
export class PendingRaisedSessionView extends IntersectionType(RaisedSessionView, PendingChangeView) {}

/** What is answered about a session that was raised. */
export function presentRaised({ sessionId, authenticatedAt, cookie }: RaisedSession): RaisedSessionView {
  return {
    session_id: sessionId,
    authenticated_at: authenticatedAt.toISOString(),
    csrf_token: cookie?.csrfToken ?? null,
  };
}
