import { ApiProperty } from '@nestjs/swagger';
import type { Receipt } from '../../platform/replicas/change.js';
import { type LimitPolicy, type LimitWindow, MODES, type Mode, POLICY_CLASSES } from './limit-policy.js';
import type { OverrideRow, PolicyRow } from './rate-limits.repository.js';
import { readPolicy } from './stored-policy.js';

const TIME = { type: String, format: 'date-time' } as const;

export class WindowView {
  @ApiProperty({ type: 'integer' }) quota!: number;
  @ApiProperty({ type: 'integer' }) window_seconds!: number;
  @ApiProperty({ enum: MODES }) mode!: Mode;
}

/** What limits have in common. */
export class LimitView {
  @ApiProperty({ enum: POLICY_CLASSES }) class!: string;
  @ApiProperty({ type: [WindowView], description: 'Empty: not limited by buckets.' }) windows!: WindowView[];
  @ApiProperty({ type: 'integer', nullable: true, description: 'Of `streams`: how many at once.' })
  concurrent!: number | null;
  @ApiProperty({ type: 'integer', description: 'Units a request takes.' }) cost!: number;
  @ApiProperty({ enum: MODES }) mode!: string;
}

/** Where a limit comes from. */
export class SourceView {
  @ApiProperty({ enum: ['override', 'policy', 'env', 'default'] }) type!: string;
  @ApiProperty({ type: String, nullable: true, description: 'The tier of the policy; `*` for all tiers.' })
  tier!: string | null;
  @ApiProperty({ type: String, nullable: true }) revision!: string | null;
  @ApiProperty({ ...TIME, nullable: true, description: 'When the override ends.' }) expires_at!: string | null;
}

/** What holds for a class and tier. */
export class EffectiveLimitView extends LimitView {
  @ApiProperty({ description: '`*` where tiers do not matter.' }) tier!: string;
  @ApiProperty({ type: SourceView }) source!: SourceView;
}

/** A limit as it was set, by whom and when. */
export class StoredLimitView extends LimitView {
  @ApiProperty({ type: String, nullable: true }) reason!: string | null;
  @ApiProperty({ description: 'Rises with every change.' }) revision!: string;
  @ApiProperty({ type: String, nullable: true, description: 'The client that set it; null: by SQL.' })
  updated_by!: string | null;
  @ApiProperty(TIME) created_at!: string;
  @ApiProperty(TIME) updated_at!: string;
}

export class PolicyView extends StoredLimitView {
  @ApiProperty({ description: '`*`: every tier without a policy of its own.' }) tier!: string;
}

export class OverrideView extends StoredLimitView {
  @ApiProperty({ type: String, nullable: true }) client_id!: string | null;
  @ApiProperty({ type: String, nullable: true }) user_id!: string | null;
  @ApiProperty({ ...TIME, nullable: true }) expires_at!: string | null;
  @ApiProperty({ description: 'False once it has ended.' }) in_force!: boolean;
}

/** How far a change has got: everywhere, or everywhere that is not cut off, the rest within so many seconds. */
export class PropagationView {
  @ApiProperty({ enum: ['complete', 'pending'] }) propagation!: 'complete' | 'pending';
  @ApiProperty({ type: 'integer', nullable: true }) bounded_by_seconds!: number | null;
}

export class SetPolicyView extends PolicyView {
  @ApiProperty({ enum: ['complete', 'pending'] }) propagation!: 'complete' | 'pending';
  @ApiProperty({ type: 'integer', nullable: true }) bounded_by_seconds!: number | null;
}

export class SetOverrideView extends OverrideView {
  @ApiProperty({ enum: ['complete', 'pending'] }) propagation!: 'complete' | 'pending';
  @ApiProperty({ type: 'integer', nullable: true }) bounded_by_seconds!: number | null;
}

export class EffectiveLimitPageView {
  @ApiProperty({ type: [EffectiveLimitView] }) data!: EffectiveLimitView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export class PolicyPageView {
  @ApiProperty({ type: [PolicyView] }) data!: PolicyView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export class OverridePageView {
  @ApiProperty({ type: [OverrideView] }) data!: OverrideView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function presentWindows(windows: readonly LimitWindow[]): WindowView[] {
  return windows.map(({ quota, windowSeconds, mode }) => ({ quota, window_seconds: windowSeconds, mode }));
}

export function presentSource({ source }: LimitPolicy): SourceView {
  const expiresAt = source.type === 'override' ? source.expiresAt : null;
  return {
    type: source.type,
    tier: source.type === 'policy' ? source.tier : null,
    revision: 'revision' in source ? source.revision : null,
    expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
  };
}

export function presentEffective(policy: LimitPolicy, tier: string): EffectiveLimitView {
  const { rateClass, windows, concurrent, cost, mode } = policy;
  return {
    class: rateClass,
    tier,
    windows: presentWindows(windows),
    concurrent,
    cost,
    mode,
    source: presentSource(policy),
  };
}

export function presentPolicy(row: PolicyRow): PolicyView {
  return { ...presentStored(row), tier: row.tier };
}

/** @param now PostgreSQL's clock, milliseconds. */
export function presentOverride(row: OverrideRow, now: number): OverrideView {
  const { subjectType, subjectId, expiresAt } = row;
  return {
    ...presentStored(row),
    client_id: subjectType === 'client' ? subjectId : null,
    user_id: subjectType === 'user' ? subjectId : null,
    expires_at: expiresAt?.toISOString() ?? null,
    in_force: expiresAt === null || expiresAt.getTime() > now,
  };
}

export function presentReceipt(receipt: Receipt): PropagationView {
  return receipt.everywhere
    ? { propagation: 'complete', bounded_by_seconds: null }
    : { propagation: 'pending', bounded_by_seconds: receipt.boundedBySeconds };
}

/** A row that is no limit (made by SQL, past the checks) is shown with no window. */
function presentStored(row: PolicyRow | OverrideRow): StoredLimitView {
  const policy = readPolicy(row, { type: 'default' });
  return {
    class: row.rateClass,
    windows: presentWindows(policy?.windows ?? []),
    concurrent: row.concurrent,
    cost: row.cost,
    mode: row.mode,
    reason: row.reason,
    revision: row.revision,
    updated_by: row.updatedBy,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
