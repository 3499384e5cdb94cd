import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import { PendingChangeView } from '../../../platform/http/pending-change.js';
import type { RoleGraph } from './role-graph.js';
import type { Role } from './roles.repository.js';

export class RoleView {
  @ApiProperty({ example: 'rol_00000000000000viewer' }) id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() description!: string;
  @ApiProperty({ description: 'One of those that everybody starts with; it cannot be changed.' }) builtin!: boolean;
  @ApiProperty({ type: [String], description: 'What it holds itself.' }) permissions!: readonly string[];
  @ApiProperty({ type: [String], description: 'Ids of the roles it inherits from.' }) parents!: readonly string[];
  @ApiProperty({ type: [String], description: 'What it holds with all it inherits.' })
  effective_permissions!: readonly string[];
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

export class PendingRoleView extends IntersectionType(RoleView, PendingChangeView) {}

export class RolePageView {
  @ApiProperty({ type: [RoleView] }) data!: RoleView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/** @param graph the roles that this one inherits from are looked up in. */
export function presentRole(role: Role, graph: RoleGraph): RoleView {
  const { id, name, description, builtin, permissions, parents, createdAt, updatedAt } = role;
  const inherited = parents.flatMap((parent) => [...graph.permissionsOf(parent)]);
  return {
    id,
    name,
    description,
    builtin,
    permissions,
    parents,
    effective_permissions: [...new Set([...permissions, ...inherited])].sort(),
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  };
}
