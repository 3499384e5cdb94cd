import { ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { CreateClientDto, MayBeAbsent, UpdateClientDto } from './clients.dto.js';
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
