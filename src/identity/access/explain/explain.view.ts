import { ApiProperty } from '@nestjs/swagger';
import { GrantScopeView } from '../grants/grants.dto.js';
import type { RoleGraph } from '../roles/role-graph.js';
import { PrincipalRefDto, ResourceRefDto } from './explain.dto.js';
import type { Explanation, Reason } from './explain.service.js';
import type { ConditionTrace, GrantTrace } from './grant-trace.js';

const MAX_SHOWN = 200;
const REASONS: readonly Reason[] = [
  'granted',
  'granted_by_scope',
  'denied_by_grant',
  'granted_elsewhere',
  'not_granted',
  'not_in_scopes',
  'not_active',
  'expired',
  'address_not_allowed',
];

export class RoleStepView {
  @ApiProperty() id!: string;
  @ApiProperty() name!: string;
}

export class ConditionTraceView {
  @ApiProperty({ example: 'countries' }) name!: string;
  @ApiProperty({ enum: ['holds', 'fails', 'unknown'] }) outcome!: string;
  @ApiProperty({ description: 'What the grant asks for.' }) asked!: unknown;
  @ApiProperty({ description: 'What there was; null: not known.' }) found!: unknown;
}

export class GrantTraceView {
  @ApiProperty() grant_id!: string;
  @ApiProperty({ enum: ['allow', 'deny'] }) effect!: string;
  @ApiProperty({ description: 'The permission by which its role bears on the question.' }) permission!: string;
  @ApiProperty({ type: [RoleStepView], description: 'The role, and by which parents it comes to the permission.' })
  path!: RoleStepView[];
  @ApiProperty({ type: GrantScopeView }) scope!: object;
  @ApiProperty() in_scope!: boolean;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
  @ApiProperty() ended!: boolean;
  @ApiProperty({ type: [ConditionTraceView] }) conditions!: ConditionTraceView[];
  @ApiProperty({ description: 'It speaks here. One that denies and counts decides.' }) counts!: boolean;
}

export class ScopesTraceView {
  @ApiProperty({ type: [String] }) held!: readonly string[];
  @ApiProperty({ type: String, nullable: true, description: 'The scope that holds the permission.' }) by!:
    | string
    | null;
}

/** What would be decided, and why. */
export class AccessExplanationView {
  @ApiProperty({ type: PrincipalRefDto }) principal!: object;
  @ApiProperty() permission!: string;
  @ApiProperty({ type: ResourceRefDto, nullable: true }) resource!: object | null;
  @ApiProperty({ enum: ['allow', 'deny'] }) decision!: 'allow' | 'deny';
  @ApiProperty({ enum: REASONS }) reason!: Reason;
  @ApiProperty({ format: 'date-time', description: 'The moment it is decided for.' }) at!: string;
  @ApiProperty({ type: ScopesTraceView, nullable: true, description: 'Of a client: what it may do at most.' })
  scopes!: ScopesTraceView | null;
  @ApiProperty({ type: String, nullable: true, description: 'The user whose grants count: of a key, its owner.' })
  user_id!: string | null;
  @ApiProperty({ type: [GrantTraceView], description: `What decided first; at most ${MAX_SHOWN}.` })
  trace!: GrantTraceView[];
  @ApiProperty({ type: 'integer', description: 'Grants that bear on it and are not shown.' }) omitted!: number;
}

export function presentAccessExplanation(explained: Explanation, graph: RoleGraph): AccessExplanationView {
  const { question, allowed, reason, at, scopes, userId, grants } = explained;
  return {
    principal: question.principal,
    permission: question.permission,
    resource: question.resource,
    decision: allowed ? 'allow' : 'deny',
    reason,
    at: at.toISOString(),
    scopes,
    user_id: userId,
    trace: grants.slice(0, MAX_SHOWN).map((trace) => presentTrace(trace, graph)),
    omitted: Math.max(0, grants.length - MAX_SHOWN),
  };
}

function presentTrace(
  { grant, by, path, inScope, ended, conditions, counts }: GrantTrace,
  graph: RoleGraph,
): GrantTraceView {
  return {
    grant_id: grant.id,
    effect: grant.effect,
    permission: by,
    path: path.map((id) => ({ id, name: graph.get(id)?.name ?? id })),
    scope: grant.scope,
    in_scope: inScope,
    expires_at: grant.expiresAt === null ? null : new Date(grant.expiresAt).toISOString(),
    ended,
    conditions: conditions.map(presentCondition),
    counts,
  };
}

function presentCondition({ name, outcome, asked, found }: ConditionTrace): ConditionTraceView {
  return { name, outcome, asked: asked ?? null, found: found ?? null };
}
