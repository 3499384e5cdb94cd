import { ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import type { NewApiKey } from './api-keys.service.js';
import { CreateClientDto, MayBeAbsent, toNewClient, UpdateClientDto } from './clients.dto.js';
import { IsTimeOrNull } from './clients.validators.js';

const END = 'At most 365 days away; later, or null for none, takes the permission `api_keys:admin`.';

/** Body of `POST /api/v1/api-keys`. The owner and the tier are the caller's own. */
export class CreateApiKeyDto extends OmitType(CreateClientDto, ['tier', 'expires_at'] as const) {
  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    description: `By default 90 days from now. ${END}`,
  })
  @MayBeAbsent()
  @IsTimeOrNull()
  expires_at?: string | null;
}

/** Body of `PATCH /api/v1/api-keys/:client_id`: at least one field. Scopes can be taken from a key, never added. */
export class UpdateApiKeyDto extends OmitType(UpdateClientDto, ['tier', 'status', 'expires_at'] as const) {
  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, description: END })
  @MayBeAbsent()
  @IsTimeOrNull()
  expires_at?: string | null;
}

/** What a validated body asks for; an absent end stays absent. */
export function toNewApiKey(body: CreateApiKeyDto): NewApiKey {
  const { expiresAt, ...fields } = toNewClient(body);
  return body.expires_at === undefined ? fields : { ...fields, expiresAt: expiresAt ?? null };
}
