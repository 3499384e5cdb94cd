import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import { PendingChangeView } from '../../../platform/http/pending-change.js';
import { GRANT_EFFECTS, type GrantEffect } from './grant.entity.js';
import { GrantConditionsView, GrantScopeView } from './grants.dto.js';
import { type StoredGrant, toGrant } from './grants.repository.js';

export class GrantView {
  @ApiProperty({ example: 'grt_0123456789abcdefghij' }) id!: string;
  @ApiProperty() user_id!: string;
  @ApiProperty() role_id!: string;
  @ApiProperty({ description: 'Name of the role.' }) role!: string;
  @ApiProperty({ enum: GRANT_EFFECTS }) effect!: GrantEffect;
  @ApiProperty({ type: GrantScopeView }) scope!: object;
  @ApiProperty({ type: GrantConditionsView, nullable: true }) conditions!: object | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
  @ApiProperty() reason!: string;
  @ApiProperty({ type: String, nullable: true, description: 'The user or client that gave it; null: the operator.' })
  granted_by!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
}

export class PendingGrantView extends IntersectionType(GrantView, PendingChangeView) {}

export class GrantPageView {
  @ApiProperty({ type: [GrantView] }) data!: GrantView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function presentGrant(grant: StoredGrant, roleName: string): GrantView {
  return {
    id: grant.id,
    user_id: grant.userId,
    role_id: grant.roleId,
    role: roleName,
    effect: grant.effect,
    scope: toGrant(grant).scope,
    conditions: grant.conditions,
    expires_at: grant.expiresAt?.toISOString() ?? null,
    reason: grant.reason,
    granted_by: grant.grantedBy,
    created_at: grant.createdAt.toISOString(),
  };
}
