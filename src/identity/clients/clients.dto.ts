import { ApiProperty, ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { IsIn, ValidateIf } from 'class-validator';
import { ALLOWABLE_PROVIDERS, type AllowLists, canonicalAddresses, MAX_ALLOWED } from './allow-lists.js';
import { ENVIRONMENTS, type Environment } from './api-key.js';
import { CLIENT_STATUSES, type ClientStatus } from './client.entity.js';
import type { ClientChanges } from './clients.repository.js';
import type { NewClient } from './clients.service.js';
import {
  IsAddressListOrNull,
  IsClientName,
  IsModelListOrNull,
  IsProviderListOrNull,
  IsScopeList,
  IsTierName,
  IsTimeOrNull,
  SCOPES,
} from './clients.validators.js';

/** Absent is fine; null is not, unless the field says so. */
export const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

const ADDRESSES = {
  description: 'Addresses and CIDR ranges it may call from; null: any.',
  example: ['203.0.113.0/24'],
};
const MODELS = {
  description: 'Models it may use: `provider/model`, `provider/*` or an alias; null: all.',
  example: ['openai/gpt-4o-mini', 'core-nest/*'],
};
const PROVIDERS = { enum: [...ALLOWABLE_PROVIDERS], description: 'Providers its models may be of; null: all.' };

const ApiAllowList = (shown: ApiPropertyOptions) =>
  ApiPropertyOptional({ type: [String], minItems: 1, maxItems: MAX_ALLOWED, nullable: true, ...shown });

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

  @ApiAllowList(ADDRESSES)
  @MayBeAbsent()
  @IsAddressListOrNull()
  allowed_addresses?: string[] | null;

  @ApiAllowList(MODELS)
  @MayBeAbsent()
  @IsModelListOrNull()
  allowed_models?: string[] | null;

  @ApiAllowList(PROVIDERS)
  @MayBeAbsent()
  @IsProviderListOrNull()
  allowed_providers?: string[] | null;
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

  @ApiAllowList(ADDRESSES)
  @MayBeAbsent()
  @IsAddressListOrNull()
  allowed_addresses?: string[] | null;

  @ApiAllowList(MODELS)
  @MayBeAbsent()
  @IsModelListOrNull()
  allowed_models?: string[] | null;

  @ApiAllowList(PROVIDERS)
  @MayBeAbsent()
  @IsProviderListOrNull()
  allowed_providers?: string[] | null;
}

/** What a validated body asks for. */
export function toNewClient(body: CreateClientDto): NewClient {
  const { expires_at, allowed_addresses, allowed_models, allowed_providers, ...fields } = body;
  return { ...fields, expiresAt: timeOf(expires_at), ...toAllowLists(body) };
}

/** What a validated body changes; an absent field stays absent. */
export function toChanges(body: UpdateClientDto): ClientChanges {
  const { expires_at, allowed_addresses, allowed_models, allowed_providers, ...fields } = body;
  const lists = toAllowLists(body);
  return expires_at === undefined ? { ...fields, ...lists } : { ...fields, ...lists, expiresAt: timeOf(expires_at) };
}

type ListFields = Pick<CreateClientDto, 'allowed_addresses' | 'allowed_models' | 'allowed_providers'>;
type Lists = { -readonly [Name in keyof AllowLists]?: string[] | null };

function toAllowLists({ allowed_addresses, allowed_models, allowed_providers }: ListFields): Lists {
  const lists: Lists = {};
  if (allowed_addresses !== undefined)
    lists.allowedAddresses = allowed_addresses && canonicalAddresses(allowed_addresses);
  if (allowed_models !== undefined) lists.allowedModels = allowed_models;
  if (allowed_providers !== undefined) lists.allowedProviders = allowed_providers;
  return lists;
}

function timeOf(text: string | null | undefined): Date | null {
  return text == null ? null : new Date(text);
}
