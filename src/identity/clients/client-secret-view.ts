import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { RotatedClient } from './client-secrets.service.js';

/** A secret that worked until a rotation, and when it ends. */
export class EndingSecretView {
  @ApiProperty() id!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
}

/** A new secret of a client: the only time that it is shown. */
export class RotatedSecretView {
  @ApiProperty({ example: 'cn_live_0123456789AB' }) client_id!: string;
  @ApiProperty() id!: string;
  @ApiProperty({ description: 'Shown once.' }) client_secret!: string;
  @ApiProperty({ description: 'Shown once: the id of the client and the secret as one string.' }) api_key!: string;
  @ApiProperty({ description: 'The last four characters.' }) hint!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
  @ApiProperty({ type: [EndingSecretView], description: 'The secrets that worked until now.' })
  previous!: EndingSecretView[];
  @ApiPropertyOptional({ enum: ['pending'], description: 'Only while not every replica has confirmed the rotation.' })
  propagation?: 'pending';
  @ApiPropertyOptional({ description: 'Replicas that have not confirmed it.' }) replicas_pending?: number;
  @ApiPropertyOptional({ description: 'Seconds within which each of them acts on it.' }) bounded_by_seconds?: number;
}

/** A rotation as it is answered, and what is needed to see it through, now or when it is answered once more. */
export interface AnsweredRotation {
  readonly view: RotatedSecretView;
  readonly change: { readonly version: string; readonly changeId: string | null };
}

/** A secret in clear: for the one answer to whoever made it, and nothing else. */
export function presentRotation(rotated: RotatedClient): AnsweredRotation {
  const { id, credential, createdAt, expiresAt, previous, version, changeId } = rotated;
  const view = {
    client_id: credential.clientId,
    id,
    client_secret: credential.clientSecret.reveal(),
    api_key: credential.apiKey.reveal(),
    hint: credential.hint,
    created_at: createdAt.toISOString(),
    expires_at: expiresAt?.toISOString() ?? null,
    previous: previous.map((secret) => ({ id: secret.id, expires_at: secret.expiresAt.toISOString() })),
  };
  return { view, change: { version, changeId } };
}
