import { ApiProperty } from '@nestjs/swagger';
import type { RoleGraph } from '../roles/role-graph.js';
import type { Holder } from './who-can.repository.js';

export class HoldingGrantView {
  @ApiProperty() grant_id!: string;
  @ApiProperty() role_id!: string;
  @ApiProperty() role!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
}

export class HolderView {
  @ApiProperty({ enum: ['user', 'client'] }) type!: string;
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ type: String, nullable: true, description: 'Whose grants they are: of a key, its owner.' })
  user_id!: string | null;
  @ApiProperty({ description: 'It depends on conditions; POST /api/v1/access/explain says on which.' })
  conditional!: boolean;
  @ApiProperty({ type: [HoldingGrantView], description: 'The first ten grants it comes from; none: from its scopes.' })
  grants!: HoldingGrantView[];
}

export class HolderPageView {
  @ApiProperty({ type: [HolderView] }) data!: HolderView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function presentHolder({ type, id, name, userId, conditional, grants }: Holder, graph: RoleGraph): HolderView {
  return {
    type,
    id,
    name,
    user_id: userId,
    conditional,
    grants: grants.map((grant) => ({
      grant_id: grant.id,
      role_id: grant.roleId,
      role: graph.get(grant.roleId)?.name ?? grant.roleId,
      expires_at: grant.expiresAt === null ? null : new Date(grant.expiresAt).toISOString(),
    })),
  };
}
