import { ApiProperty, ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { Is, IsDescription, isListOf, MAX_DESCRIPTION, MayBeAbsent } from '../access.validators.js';
import type { RoleContent } from './roles.repository.js';
import type { NewRole } from './roles.service.js';

const NAME = /^[a-z][a-z0-9_-]{0,63}$/;
const PERMISSION = /^(?:admin|[a-z][a-z0-9_]{0,47}:[a-z][a-z0-9_]{0,31})$/;
const ROLE_ID = /^rol_[0-9A-Za-z]{20}$/;
const MAX_PERMISSIONS = 200;
const MAX_PARENTS = 64;

const IsRoleName = () =>
  Is(
    'isRoleName',
    'must be 1 to 64 small letters, digits, _ and -, the first one a letter',
    (value) => typeof value === 'string' && NAME.test(value),
  );
const IsPermissionList = () =>
  Is(
    'isPermissionList',
    `must be a list of at most ${MAX_PERMISSIONS} different permissions like clients:read`,
    (value) => isListOf(value, PERMISSION, MAX_PERMISSIONS),
  );
const IsParentList = () =>
  Is('isParentList', `must be a list of at most ${MAX_PARENTS} different ids of roles`, (value) =>
    isListOf(value, ROLE_ID, MAX_PARENTS),
  );

const PERMISSIONS: ApiPropertyOptions = {
  type: [String],
  maxItems: MAX_PERMISSIONS,
  uniqueItems: true,
  example: ['clients:read', 'llm:invoke'],
  description: 'What it holds itself. `<resource>:admin` holds the other actions of the resource, `admin` everything.',
};
const PARENTS: ApiPropertyOptions = {
  type: [String],
  maxItems: MAX_PARENTS,
  uniqueItems: true,
  example: ['rol_00000000000000viewer'],
  description: 'Ids of roles all of whose permissions it holds too.',
};

/** Body of `POST /api/v1/roles`. */
export class CreateRoleDto {
  @ApiProperty({ pattern: NAME.source, example: 'support' })
  @IsRoleName()
  name!: string;

  @ApiPropertyOptional({ maxLength: MAX_DESCRIPTION, default: '' })
  @MayBeAbsent()
  @IsDescription()
  description?: string;

  @ApiPropertyOptional({ ...PERMISSIONS, default: [] })
  @MayBeAbsent()
  @IsPermissionList()
  permissions?: string[];

  @ApiPropertyOptional({ ...PARENTS, default: [] })
  @MayBeAbsent()
  @IsParentList()
  parents?: string[];
}

/** Body of `PATCH /api/v1/roles/:role_id`: at least one field. A list takes the place of the one before. */
export class UpdateRoleDto {
  @ApiPropertyOptional({ pattern: NAME.source })
  @MayBeAbsent()
  @IsRoleName()
  name?: string;

  @ApiPropertyOptional({ maxLength: MAX_DESCRIPTION })
  @MayBeAbsent()
  @IsDescription()
  description?: string;

  @ApiPropertyOptional(PERMISSIONS)
  @MayBeAbsent()
  @IsPermissionList()
  permissions?: string[];

  @ApiPropertyOptional(PARENTS)
  @MayBeAbsent()
  @IsParentList()
  parents?: string[];
}

/** What a validated body asks for. */
export function toNewRole({ name, ...rest }: CreateRoleDto): NewRole {
  return { name, ...present(rest) };
}

/** What a validated body changes; an absent field stays absent. */
export function toRoleChanges({ name, ...rest }: UpdateRoleDto): Partial<RoleContent> {
  return { ...(name !== undefined && { name }), ...present(rest) };
}

function present({ description, permissions, parents }: Omit<UpdateRoleDto, 'name'>): Partial<RoleContent> {
  return {
    ...(description !== undefined && { description }),
    ...(permissions !== undefined && { permissions: permissions.toSorted() }),
    ...(parents !== undefined && { parents: parents.toSorted() }),
  };
}
