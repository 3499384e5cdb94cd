import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, ValidateBy } from 'class-validator';
import type { NewSecret } from './client-secrets.service.js';
import { MayBeAbsent } from './clients.dto.js';
import { IsTimeOrNull } from './clients.validators.js';

/** 30 days. */
const MAX_OVERLAP_SECONDS = 2_592_000;

const IsOverlap = () =>
  ValidateBy({
    name: 'isOverlap',
    validator: {
      validate: (value) => Number.isInteger(value) && value >= 0 && value <= MAX_OVERLAP_SECONDS,
      defaultMessage: () => `must be whole seconds from 0 (at once) to ${MAX_OVERLAP_SECONDS} (30 days)`,
    },
  });

/** Body of `POST /api/v1/clients/:client_id/secrets`. */
export class RotateSecretDto {
  /** Required: any default would either break callers or let a leaked secret live on. */
  @ApiProperty({
    type: 'integer',
    minimum: 0,
    maximum: MAX_OVERLAP_SECONDS,
    example: 86_400,
    description: 'Seconds for which the secrets before this one go on working. 0 revokes them.',
  })
  @IsOverlap()
  expire_previous_in_seconds!: number;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, default: null })
  @MayBeAbsent()
  @IsTimeOrNull()
  expires_at?: string | null;

  @ApiPropertyOptional({
    default: false,
    description: 'The secrets before this one end earlier: as soon as they have not been used for a day.',
  })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  finish_when_idle?: boolean;
}

/** What a validated body asks for. */
export function toNewSecret({ expire_previous_in_seconds, expires_at, finish_when_idle }: RotateSecretDto): NewSecret {
  return {
    expirePreviousInSeconds: expire_previous_in_seconds,
    expiresAt: expires_at == null ? null : new Date(expires_at),
    finishWhenIdle: finish_when_idle ?? false,
  };
}
