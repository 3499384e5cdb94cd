import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsArray, IsBoolean, IsIn, IsInt, IsObject, Max, Min, ValidateNested } from 'class-validator';
import { normaliseAddress } from '../../../platform/http/client-address.js';
import { Is, IsTimeOrNull, isListOf, MayBeAbsent } from '../access.validators.js';
import { METHODS } from '../grants/grant-conditions.js';
import type { Question } from './explain.service.js';

const PRINCIPAL_TYPES = ['user', 'client'] as const;
const ID = /^[A-Za-z0-9._@:-]{1,128}$/;
const TYPE = /^[a-z][a-z0-9_]{0,47}$/;
const COUNTRY = /^[A-Z]{2}$/;
const CREDENTIALS = ['jwt', 'session', 'client'] as const;
const AMR = /^[a-z][a-z0-9_-]{0,31}$/;
const MAX_AGE = 31_536_000;

const IsText = (pattern: RegExp, message: string) =>
  Is('isText', message, (value) => typeof value === 'string' && pattern.test(value));

/** Whom it is about. */
export class PrincipalRefDto {
  @ApiProperty({ enum: PRINCIPAL_TYPES })
  @IsIn(PRINCIPAL_TYPES, { message: `must be one of ${PRINCIPAL_TYPES.join(', ')}` })
  type!: (typeof PRINCIPAL_TYPES)[number];

  @ApiProperty({ example: 'usr_0123456789abcdefghij' })
  @IsText(ID, 'must be the id of a user or client')
  id!: string;
}

/** What it is to be done to. */
export class ResourceRefDto {
  @ApiProperty({ example: 'clients', description: 'As permissions name it.' })
  @IsText(TYPE, 'must be a kind of object, as permissions name it')
  type!: string;

  @ApiProperty({ example: 'cn_live_0123456789AB' })
  @IsText(ID, 'must be the id of one object')
  id!: string;
}

/** The circumstances. What is absent is not known, and so taken against the principal. */
export class ExplainContextDto {
  @ApiPropertyOptional({ example: '203.0.113.7' })
  @MayBeAbsent()
  @Is(
    'isAddress',
    'must be an IPv4 or IPv6 address',
    (value) => typeof value === 'string' && normaliseAddress(value) !== null,
  )
  address?: string;

  @ApiPropertyOptional({ example: 'DE', description: 'By default that of the address.' })
  @MayBeAbsent()
  @IsText(COUNTRY, 'must be a country code of two capital letters (ISO 3166)')
  country?: string;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, description: 'By default now.' })
  @MayBeAbsent()
  @IsTimeOrNull()
  at?: string | null;

  @ApiPropertyOptional({ enum: CREDENTIALS, description: 'The kind of credential, of a user.' })
  @MayBeAbsent()
  @IsIn(CREDENTIALS, { message: `must be one of ${CREDENTIALS.join(', ')}` })
  method?: (typeof CREDENTIALS)[number];

  @ApiPropertyOptional({ enum: METHODS, isArray: true, description: 'What was done at the sign-in, of a user.' })
  @MayBeAbsent()
  @Is('isAmr', 'must be a list of at most 16 different ways to sign in', (value) => isListOf(value, AMR, 16))
  @IsArray({ message: 'must be a list' })
  amr?: string[];

  @ApiPropertyOptional()
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  mfa?: boolean;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: MAX_AGE })
  @MayBeAbsent()
  @IsInt({ message: 'must be a whole number' })
  @Min(0, { message: 'must be at least 0' })
  @Max(MAX_AGE, { message: `must be at most ${MAX_AGE}` })
  auth_age_seconds?: number;
}

/** Body of `POST /api/v1/access/explain`. */
export class ExplainAccessDto {
  @ApiProperty({ type: PrincipalRefDto })
  @IsObject({ message: 'must be an object' })
  @ValidateNested({ message: 'must be an object' })
  @Type(() => PrincipalRefDto)
  principal!: PrincipalRefDto;

  @ApiProperty({ example: 'clients:write' })
  @IsText(/^[a-z][a-z0-9_:]{0,80}$/, 'must be the name of a permission')
  permission!: string;

  @ApiPropertyOptional({ type: ResourceRefDto, description: 'Without it: what is about no single object.' })
  @MayBeAbsent()
  @IsObject({ message: 'must be an object' })
  @ValidateNested({ message: 'must be an object' })
  @Type(() => ResourceRefDto)
  resource?: ResourceRefDto;

  @ApiPropertyOptional({ type: ExplainContextDto })
  @MayBeAbsent()
  @IsObject({ message: 'must be an object' })
  @ValidateNested({ message: 'must be an object' })
  @Type(() => ExplainContextDto)
  context?: ExplainContextDto;
}

/** What a validated body asks. */
export function toQuestion({ principal, permission, resource, context = {} }: ExplainAccessDto): Question {
  const { address, country, at, method, amr = [], mfa, auth_age_seconds } = context;
  return {
    principal: { type: principal.type, id: principal.id },
    permission,
    resource: resource === undefined ? null : { type: resource.type, id: resource.id },
    address: address === undefined ? null : normaliseAddress(address),
    country: country ?? null,
    at: at == null ? null : new Date(at),
    method: method ?? null,
    amr,
    mfa: mfa ?? null,
    authAgeSeconds: auth_age_seconds ?? null,
  };
}
