import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, ValidateIf } from 'class-validator';
import { ENVIRONMENTS, type Environment } from './api-key.js';
import { CLIENT_STATUSES, type ClientStatus } from './client.entity.js';
import type { ClientChanges } from './clients.repository.js';
import type { NewClient } from './clients.service.js';
import { IsClientName, IsScopeList, IsTierName, IsTimeOrNull, SCOPES } from './clients.validators.js';

/** Absent is fine; null is not, unless the field says so. */
const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

/** Body of `POST /api/v1/clients`. */
export class CreateClientDto {
  @ApiProperty({ minLength: 1, maxLength: 128, example: 'billing service' })
  @IsClientName()
  name!: string;

  @ApiPropertyOptional({ default: 'paid', description: 'A tier of the rate-limit table.' })
  @MayBeAbsent()
  @IsTierName()
  tier?: string;

  @ApiPropertyOptional({ enum: SCOPES, isArray: true, maxItems: 32, uniqueItems: true, default: ['llm:invoke'] })
  @MayBeAbsent()
  @IsScopeList()
  scopes?: string[];

  @ApiPropertyOptional({ enum: ENVIRONMENTS, default: 'live' })
  @MayBeAbsent()
  @IsIn(ENVIRONMENTS, { message: `must be one of ${ENVIRONMENTS.join(', ')}` })
  environment?: Environment;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, default: null })
  @MayBeAbsent()
  @IsTimeOrNull()
  expires_at?: string | null;
}

/** Body of `PATCH /api/v1/clients/:client_id`: at least one field. */
export class UpdateClientDto {
  @ApiPropertyOptional({ minLength: 1, maxLength: 128 })
  @MayBeAbsent()
  @IsClientName()
  name?: string;

  @ApiPropertyOptional({ description: 'A tier of the rate-limit table.' })
  @MayBeAbsent()
  @IsTierName()
  tier?: string;

  @ApiPropertyOptional({ enum: SCOPES, isArray: true, maxItems: 32, uniqueItems: true })
  @MayBeAbsent()
  @IsScopeList()
  scopes?: string[];

  @ApiPropertyOptional({ enum: CLIENT_STATUSES })
  @MayBeAbsent()
  @IsIn(CLIENT_STATUSES, { message: `must be one of ${CLIENT_STATUSES.join(', ')}` })
  status?: ClientStatus;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true })
  @MayBeAbsent()
  @IsTimeOrNull()
  expires_at?: string | null;
}

/** What a validated body asks for. */
export function toNewClient({ expires_at, ...fields }: CreateClientDto): NewClient {
  return { ...fields, expiresAt: timeOf(expires_at) };
}

/** What a validated body changes; an absent field stays absent. */
export function toChanges({ expires_at, ...fields }: UpdateClientDto): ClientChanges {
  return expires_at === undefined ? fields : { ...fields, expiresAt: timeOf(expires_at) };
}

function timeOf(text: string | null | undefined): Date | null {
  return text == null ? null : new Date(text);
}
