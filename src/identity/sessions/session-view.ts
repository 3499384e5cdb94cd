import { ApiProperty } from '@nestjs/swagger';
import type { SessionEntity } from './session.entity.js';
import { SESSION_KINDS } from './session.entity.js';

export const SESSION_STATUSES = ['active', 'ended'] as const;

/** A session on the wire: an allow-list, so that no hash gets out by itself. */
export class SessionView {
  @ApiProperty({ example: 'ses_0123456789ABCDEFGHIJ' }) id!: string;
  @ApiProperty({ example: 'usr_0123456789ABCDEFGHIJ' }) user_id!: string;
  @ApiProperty({ description: 'The request that asks came with this session.' }) current!: boolean;
  @ApiProperty({ enum: SESSION_STATUSES }) status!: (typeof SESSION_STATUSES)[number];
  @ApiProperty({ enum: SESSION_KINDS }) kind!: string;
  @ApiProperty({ example: 'password' }) method!: string;
  @ApiProperty({ type: [String], example: ['pwd'], description: 'RFC 8176.' }) amr!: string[];
  @ApiProperty() mfa!: boolean;
  @ApiProperty({ type: String, nullable: true, example: 'Firefox 140 on Linux', description: "The device's own word." })
  device!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Where it was signed in from.' }) address!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'DE', description: 'ISO 3166-1 alpha-2, by the address.' })
  country!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Where it was last used from.' })
  last_address!: string | null;
  @ApiProperty({ type: String, nullable: true }) last_country!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', description: 'Good to about a minute.' }) last_seen_at!: string;
  @ApiProperty({ format: 'date-time', description: 'When the user last proved who they are.' })
  authenticated_at!: string;
  @ApiProperty({ format: 'date-time', description: 'When it ends if it is not used.' }) idle_expires_at!: string;
  @ApiProperty({ format: 'date-time', description: 'When it ends, used or not.' }) expires_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) ended_at!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'signed_out' }) end_reason!: string | null;
}

/** A page of sessions. */
export class SessionPageView {
  @ApiProperty({ type: [SessionView] }) data!: SessionView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/**
 * A session as its user and those who may read sessions see it.
 *
 * @param now what has ended by itself until then has ended, whether that was noted yet or not.
 */
export function presentSession(session: SessionEntity, currentId: string | null, now: Date): SessionView {
  const idleExpiresAt = new Date(session.lastSeenAt.getTime() + session.idleSeconds * 1_000);
  const byItself = idleExpiresAt < session.expiresAt ? 'idle' : 'expired';
  const ownEnd = byItself === 'idle' ? idleExpiresAt : session.expiresAt;
  const endedAt = session.endedAt ?? (ownEnd <= now ? ownEnd : null);
  const wasUsed = session.seenAddress !== null;
  return {
    id: session.id,
    user_id: session.userId,
    current: session.id === currentId,
    status: endedAt === null ? 'active' : 'ended',
    kind: session.kind,
    method: session.method,
    amr: session.amr,
    mfa: session.mfa,
    device: session.device,
    address: session.address,
    country: session.country,
    last_address: wasUsed ? session.seenAddress : session.address,
    last_country: wasUsed ? session.seenCountry : session.country,
    created_at: session.createdAt.toISOString(),
    last_seen_at: session.lastSeenAt.toISOString(),
    authenticated_at: session.authenticatedAt.toISOString(),
    idle_expires_at: (idleExpiresAt < session.expiresAt ? idleExpiresAt : session.expiresAt).toISOString(),
    expires_at: session.expiresAt.toISOString(),
    ended_at: endedAt?.toISOString() ?? null,
    end_reason: session.endReason ?? (endedAt === null ? null : byItself),
  };
}
