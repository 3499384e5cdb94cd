import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import type { Receipt } from '../../../platform/replicas/change.js';
import { IP_RULE_ACTIONS, IP_RULE_SOURCES } from './ip-rule.entity.js';
import type { IpRule } from './ip-rules.repository.js';

/** A rule on the wire. */
export class IpRuleView {
  @ApiProperty({ example: 'ipr_0123456789abcdef01234567' }) id!: string;
  @ApiProperty({ example: '203.0.113.0/24' }) cidr!: string;
  @ApiProperty({ enum: IP_RULE_ACTIONS }) action!: string;
  @ApiProperty({ enum: IP_RULE_SOURCES, description: '`automatic`: blocked for guessing credentials.' })
  source!: string;
  @ApiProperty({ type: String, nullable: true }) reason!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'The client that made it.' }) created_by!: string | null;
  @ApiProperty({ type: 'integer', description: 'Automatic blocks in a row; each is twice as long as the last.' })
  strikes!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

/** A page of rules. */
export class IpRulePageView {
  @ApiProperty({ type: [IpRuleView] }) data!: IpRuleView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/** A change of rules that not every replica has confirmed yet. */
export class PendingIpRuleChangeView {
  @ApiProperty({ enum: ['pending'] }) propagation!: 'pending';
  @ApiProperty({ description: 'Replicas that have not confirmed it.' }) replicas_pending!: number;
  @ApiProperty({ description: 'Seconds within which each of them acts on it.' }) bounded_by_seconds!: number;
}

/** A rule, while not every replica has confirmed it. */
export class PendingIpRuleView extends IntersectionType(IpRuleView, PendingIpRuleChangeView) {}

export function presentIpRule(rule: IpRule): IpRuleView {
  return {
    id: rule.id,
    cidr: rule.cidr,
    action: rule.action,
    source: rule.source,
    reason: rule.reason,
    expires_at: rule.expiresAt?.toISOString() ?? null,
    created_by: rule.createdBy,
    strikes: rule.strikes,
    created_at: rule.createdAt.toISOString(),
    updated_at: rule.updatedAt.toISOString(),
  };
}

/** What is said of a change that is not in force everywhere; null when it is. */
export function presentPendingRule(receipt: Receipt): PendingIpRuleChangeView | null {
  if (receipt.everywhere) return null;
  return {
    propagation: 'pending',
    replicas_pending: receipt.replicas,
    bounded_by_seconds: receipt.boundedBySeconds,
  };
}
