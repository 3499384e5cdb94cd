import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { PendingChangeView } from '../../../platform/http/pending-change.js';
import { Is, IsDescription, MAX_DESCRIPTION, MayBeAbsent } from '../access.validators.js';
import { isPermissionName, type KnownPermission } from './permissions.service.js';

/** Body of `POST /api/v1/permissions`. */
export class CreatePermissionDto {
  @ApiProperty({
    example: 'reports:read',
    description: '`<resource>:<action>`; `<resource>:admin` holds its other actions.',
  })
  @Is(
    'isPermissionName',
    'must be <resource>:<action>, both of small letters, digits and _, at most 48 and 32 of them',
    isPermissionName,
  )
  name!: string;

  @ApiPropertyOptional({ maxLength: MAX_DESCRIPTION, default: '' })
  @MayBeAbsent()
  @IsDescription()
  description?: string;
}

/** Body of `PATCH /api/v1/permissions/:permission`. */
export class UpdatePermissionDto {
  @ApiProperty({ maxLength: MAX_DESCRIPTION })
  @IsDescription()
  description!: string;
}

export class PermissionView {
  @ApiProperty({ example: 'clients:read' }) name!: string;
  @ApiProperty() resource!: string;
  @ApiProperty() action!: string;
  @ApiProperty() description!: string;
  @ApiProperty({ description: 'Made by an administrator; no route of core-nest asks for it.' }) custom!: boolean;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) created_at!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) updated_at!: string | null;
}

export class PendingPermissionView extends IntersectionType(PermissionView, PendingChangeView) {}

export class PermissionPageView {
  @ApiProperty({ type: [PermissionView] }) data!: PermissionView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function presentPermission({
  name,
  description,
  custom,
  createdAt,
  updatedAt,
}: KnownPermission): PermissionView {
  const [resource = '', action = ''] = name.split(':');
  return {
    name,
    resource,
    action,
    description,
    custom,
    created_at: createdAt?.toISOString() ?? null,
    updated_at: updatedAt?.toISOString() ?? null,
  };
}
