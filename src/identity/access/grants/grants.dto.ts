import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { type FieldError, InvalidRequestError } from '../../../kernel/app-error.js';
import type { GrantConditions } from '../../../kernel/grant.js';
import { Is, IsDescription, IsTimeOrNull, MAX_DESCRIPTION, MayBeAbsent } from '../access.validators.js';
import { GRANT_EFFECTS, type GrantEffect, SCOPE_TYPES, type ScopeType } from './grant.entity.js';
import { METHODS, readConditions } from './grant-conditions.js';
import type { GrantChanges } from './grants.repository.js';
import type { NewGrant } from './grants.service.js';

const ROLE_ID = /^rol_[0-9A-Za-z]{20}$/;
const RESOURCE = /^[a-z][a-z0-9_]{0,47}$/;
const OBJECT_ID = /^[A-Za-z0-9._@:-]{1,128}$/;

/** Where a grant holds. */
export class GrantScopeView {
  @ApiProperty({ enum: SCOPE_TYPES }) type!: ScopeType;
  @ApiPropertyOptional({ description: 'Of `resource`: what kind, as permissions name it.', example: 'ip_rules' })
  resource?: string;
  @ApiPropertyOptional({ description: 'Of `client` and `resource`: which one.', example: 'cn_live_0123456789AB' })
  id?: string;
}

export class GrantHoursView {
  @ApiProperty({ example: 'Europe/Berlin' }) zone!: string;
  @ApiPropertyOptional({ type: [Number], example: [1, 2, 3, 4, 5], description: '1 (Monday) to 7; absent: every day.' })
  days?: number[];
  @ApiProperty({ example: '08:00' }) from!: string;
  @ApiProperty({ example: '18:00', description: 'Before `from`: of the next day.' }) to!: string;
}

/** What must hold besides; each that is given. */
export class GrantConditionsView {
  @ApiPropertyOptional({ type: [String], example: ['203.0.113.0/24'] }) cidr?: string[];
  @ApiPropertyOptional({ type: GrantHoursView }) hours?: GrantHoursView;
  @ApiPropertyOptional({ enum: METHODS, isArray: true }) methods?: string[];
  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Since the person last proved who they are.' })
  max_auth_age_seconds?: number;
  @ApiPropertyOptional({ enum: [true] }) mfa?: true;
  @ApiPropertyOptional({ type: [String], example: ['DE', 'FR'] }) countries?: string[];
  @ApiPropertyOptional({ enum: [true], description: 'Only what the user owns.' }) own_only?: true;
}

const CONDITIONS = {
  type: GrantConditionsView,
  nullable: true,
  description:
    'What is not known of a request is taken against it: it lets nobody in by an `allow`, and keeps out by a `deny`.',
};

/** Read to the letter by the functions below, which name the very field that is wrong. */
const IsReadBelow = () => Is('isReadBelow', 'must be an object', () => true);

/** Body of `POST /api/v1/users/:user_id/grants`. */
export class CreateGrantDto {
  @ApiProperty({ example: 'rol_00000000000000viewer' })
  @Is('isRoleId', 'must be the id of a role', (value) => typeof value === 'string' && ROLE_ID.test(value))
  role_id!: string;

  @ApiPropertyOptional({ enum: GRANT_EFFECTS, default: 'allow', description: 'A `deny` wins over every `allow`.' })
  @MayBeAbsent()
  @IsIn(GRANT_EFFECTS, { message: `must be one of ${GRANT_EFFECTS.join(', ')}` })
  effect?: GrantEffect;

  @ApiPropertyOptional({ type: GrantScopeView, description: 'By default everything: `{"type":"all"}`.' })
  @MayBeAbsent()
  @IsReadBelow()
  scope?: unknown;

  @ApiPropertyOptional({ ...CONDITIONS, default: null })
  @MayBeAbsent()
  @IsReadBelow()
  conditions?: unknown;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, default: null })
  @MayBeAbsent()
  @IsTimeOrNull()
  expires_at?: string | null;

  @ApiPropertyOptional({ maxLength: MAX_DESCRIPTION, default: '', example: 'on call in January' })
  @MayBeAbsent()
  @IsDescription()
  reason?: string;
}

/** Body of `PATCH /api/v1/users/:user_id/grants/:grant_id`: at least one field. */
export class UpdateGrantDto {
  @ApiPropertyOptional(CONDITIONS)
  @MayBeAbsent()
  @IsReadBelow()
  conditions?: unknown;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true })
  @MayBeAbsent()
  @IsTimeOrNull()
  expires_at?: string | null;

  @ApiPropertyOptional({ maxLength: MAX_DESCRIPTION })
  @MayBeAbsent()
  @IsDescription()
  reason?: string;
}

/** What a validated body asks for. @throws InvalidRequestError naming what is wrong in the scope or the conditions. */
export function toNewGrant(body: CreateGrantDto): NewGrant {
  const scope = readScope(body.scope === undefined ? { type: 'all' } : body.scope);
  const { conditions, errors } = readConditions(body.conditions ?? null, 'body.conditions');
  const wrong = [...scope.errors, ...errors, ...misplaced(conditions, scope.read.scopeType)];
  if (wrong.length > 0) throw new InvalidRequestError(wrong);
  return {
    roleId: body.role_id,
    effect: body.effect ?? 'allow',
    ...scope.read,
    conditions,
    expiresAt: timeOf(body.expires_at),
    reason: body.reason ?? '',
  };
}

/** What a validated body changes; an absent field stays absent. @throws InvalidRequestError as `toNewGrant`, or when there is none. */
export function toGrantChanges({ conditions: asked, expires_at, reason }: UpdateGrantDto): GrantChanges {
  if (asked === undefined && expires_at === undefined && reason === undefined)
    throw new InvalidRequestError([
      { location: 'body', message: 'must hold at least one of conditions, expires_at, reason' },
    ]);
  const { conditions, errors } = readConditions(asked ?? null, 'body.conditions');
  if (errors.length > 0) throw new InvalidRequestError(errors);
  return {
    ...(asked !== undefined && { conditions }),
    ...(expires_at !== undefined && { expiresAt: timeOf(expires_at) }),
    ...(reason !== undefined && { reason }),
  };
}

type StoredScope = Pick<NewGrant, 'scopeType' | 'scopeResource' | 'scopeId'>;

const FIELDS_OF: Readonly<Record<ScopeType, readonly string[]>> = {
  all: ['type'],
  client: ['type', 'id'],
  resource: ['type', 'resource', 'id'],
};

function readScope(value: unknown): { readonly read: StoredScope; readonly errors: readonly FieldError[] } {
  const everything: StoredScope = { scopeType: 'all', scopeResource: null, scopeId: null };
  const refuse = (field: string, message: string) => ({ location: `body.scope${field}`, message });
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { read: everything, errors: [refuse('', 'must be an object')] };
  const { type, resource, id } = value as Record<string, unknown>;
  const known = SCOPE_TYPES.find((each) => each === type);
  if (known === undefined)
    return { read: everything, errors: [refuse('.type', `must be one of ${SCOPE_TYPES.join(', ')}`)] };
  const errors = Object.keys(value)
    .filter((name) => !FIELDS_OF[known].includes(name))
    .map((name) => refuse(`.${name.slice(0, 64)}`, `is not a field of a scope of type ${known}`));
  if (known !== 'all' && (typeof id !== 'string' || !OBJECT_ID.test(id)))
    errors.push(refuse('.id', 'must be the id of one object'));
  if (known === 'resource' && (typeof resource !== 'string' || !RESOURCE.test(resource)))
    errors.push(refuse('.resource', 'must say what kind of object, like ip_rules'));
  return {
    read: {
      scopeType: known,
      scopeResource: known === 'resource' ? String(resource) : null,
      scopeId: known === 'all' ? null : String(id),
    },
    errors,
  };
}

/** Whoever owns an object, a grant for that one alone says it better. */
function misplaced(conditions: GrantConditions | null, scope: ScopeType): FieldError[] {
  if (conditions?.own_only === undefined || scope === 'all') return [];
  return [{ location: 'body.conditions.own_only', message: 'goes with a scope of type all' }];
}

function timeOf(text: string | null | undefined): Date | null {
  return text == null ? null : new Date(text);
}
