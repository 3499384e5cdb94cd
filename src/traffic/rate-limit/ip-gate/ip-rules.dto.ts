import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, ValidateBy, ValidateIf } from 'class-validator';
import { isReason, isTimeOrNull } from '../rate-limits.dto.js';
import { readIpRange } from './ip-range.js';
import { IP_RULE_ACTIONS, type IpRuleAction } from './ip-rule.entity.js';
import type { IpRuleChanges } from './ip-rules.repository.js';
import type { NewIpRule } from './ip-rules.service.js';

const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

const Is = (name: string, message: string, validate: (value: unknown) => boolean) =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => message } });

const ACTION_MESSAGE = `must be one of ${IP_RULE_ACTIONS.join(', ')}`;
const REASON_MESSAGE = 'must be a short text without control characters, or null';
const TIME_MESSAGE = 'must be an RFC 3339 time, e.g. 2030-01-31T00:00:00Z, or null';

/** Body of `POST /api/v1/ip-rules`. */
export class CreateIpRuleDto {
  @ApiProperty({ example: '203.0.113.0/24', description: 'An address or a CIDR range, IPv4 or IPv6.' })
  @Is(
    'isIpRange',
    'must be an address or a CIDR range like 203.0.113.0/24 or 2001:db8::/32, without bits beyond the length',
    (value) => typeof value === 'string' && readIpRange(value) !== null,
  )
  cidr!: string;

  @ApiProperty({ enum: IP_RULE_ACTIONS })
  @IsIn(IP_RULE_ACTIONS, { message: ACTION_MESSAGE })
  action!: IpRuleAction;

  @ApiPropertyOptional({ type: String, nullable: true, default: null, example: 'scraping, ticket 4711' })
  @MayBeAbsent()
  @Is('isReason', REASON_MESSAGE, isReason)
  reason?: string | null;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, default: null })
  @MayBeAbsent()
  @Is('isTimeOrNull', TIME_MESSAGE, isTimeOrNull)
  expires_at?: string | null;

  @ApiPropertyOptional({ default: false, description: 'Without it, what would keep out your own address is refused.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  allow_self_block?: boolean;
}

/** Body of `PATCH /api/v1/ip-rules/:id`. The range of a rule does not change: make another one. */
export class UpdateIpRuleDto {
  @ApiPropertyOptional({ enum: IP_RULE_ACTIONS })
  @MayBeAbsent()
  @IsIn(IP_RULE_ACTIONS, { message: ACTION_MESSAGE })
  action?: IpRuleAction;

  @ApiPropertyOptional({ type: String, nullable: true })
  @MayBeAbsent()
  @Is('isReason', REASON_MESSAGE, isReason)
  reason?: string | null;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true })
  @MayBeAbsent()
  @Is('isTimeOrNull', TIME_MESSAGE, isTimeOrNull)
  expires_at?: string | null;

  @ApiPropertyOptional({ default: false, description: 'Without it, what would keep out your own address is refused.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  allow_self_block?: boolean;
}

/** What a validated body asks for. */
export function toNewRule({ cidr, action, reason, expires_at }: CreateIpRuleDto): NewIpRule {
  return { cidr, action, reason: reason ?? null, expiresAt: timeOf(expires_at) };
}

/** What a validated body changes; an absent field stays absent. */
export function toRuleChanges({ action, reason, expires_at }: UpdateIpRuleDto): IpRuleChanges {
  return {
    ...(action !== undefined && { action }),
    ...(reason !== undefined && { reason }),
    ...(expires_at !== undefined && { expiresAt: timeOf(expires_at) }),
  };
}

function timeOf(text: string | null | undefined): Date | null {
  return text == null ? null : new Date(text);
}
