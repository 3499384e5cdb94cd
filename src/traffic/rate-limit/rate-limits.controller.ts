import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Put, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import { ApiListQuery } from '../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { type ListShape, type Page, parseListQuery } from '../../platform/http/list-query.js';
import { originOf } from '../../records/audit/audit.service.js';
import { ANY_TIER, POLICY_CLASSES } from './limit-policy.js';
import { pageOf } from './page-of.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import { LimitDto } from './rate-limits.dto.js';
import { RateLimitsService } from './rate-limits.service.js';
import {
  EffectiveLimitPageView,
  EffectiveLimitView,
  PolicyPageView,
  PolicyView,
  PropagationView,
  presentEffective,
  presentPolicy,
  presentReceipt,
  SetPolicyView,
} from './rate-limits.view.js';

/** Sorted by class, then tier. */
const LIST: ListShape<'class'> = {
  sortKeys: { class: 'text' },
  defaultSort: 'class',
  idPattern: /^(?:\*|[a-z][a-z0-9_-]{0,31})$/,
  filters: { class: POLICY_CLASSES, tier: 'text' },
};

const ApiClass = () => ApiParam({ name: 'class', enum: POLICY_CLASSES });
const ApiTier = () => ApiParam({ name: 'tier', schema: { type: 'string', example: 'paid' } });

/** The limits of classes and tiers. Those of one client or user are `RateLimitOverridesController`'s. */
@ApiTags('rate limits')
@Controller('api/v1/rate-limits')
export class RateLimitsController {
  constructor(
    private readonly limits: RateLimitsService,
    private readonly policy: RateLimitPolicy,
  ) {}

  @Get()
  @Require('limits:read')
  @ApiOperation({ summary: 'What is in force for each class and tier, and where it comes from' })
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: EffectiveLimitPageView })
  effective(@Query() raw: Record<string, unknown>): Page<EffectiveLimitView> {
    const rows = POLICY_CLASSES.flatMap((rateClass) => {
      const tiers = rateClass === 'login' || rateClass === 'address' ? [ANY_TIER] : this.policy.tiers();
      return tiers.map((tier) => presentEffective(this.policy.effective(rateClass, tier), tier));
    });
    return pageOf(rows, parseListQuery(raw, LIST));
  }

  @Get('policies')
  @Require('limits:read')
  @ApiOperation({ summary: 'List the policies that were set' })
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: PolicyPageView })
  async list(@Query() raw: Record<string, unknown>): Promise<Page<PolicyView>> {
    const query = parseListQuery(raw, LIST);
    return pageOf((await this.limits.policies()).map(presentPolicy), query);
  }

  @Get('policies/:class')
  @Require('limits:read')
  @ApiOperation({ summary: 'Show the policy of a class for all tiers' })
  @ApiClass()
  @ApiOkResponse({ type: PolicyView })
  get(@Param('class') rateClass: string): Promise<PolicyView> {
    return this.getForTier(rateClass, ANY_TIER);
  }

  @Get('policies/:class/:tier')
  @Require('limits:read')
  @ApiOperation({ summary: 'Show the policy of a class for a tier' })
  @ApiClass()
  @ApiTier()
  @ApiOkResponse({ type: PolicyView })
  async getForTier(@Param('class') rateClass: string, @Param('tier') tier: string): Promise<PolicyView> {
    return presentPolicy(await this.limits.getPolicy(rateClass, tier));
  }

  @Put('policies/:class')
  @Require('limits:write')
  @ApiOperation({ summary: 'Set the policy of a class for every tier without one of its own' })
  @ApiClass()
  @ApiOkResponse({ type: SetPolicyView, description: 'Set, and enforced by every replica.' })
  @ApiAcceptedResponse({ type: SetPolicyView, description: 'Set; not every replica has confirmed it yet.' })
  set(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('class') rateClass: string,
    @JsonBody(LimitDto) body: LimitDto,
  ): Promise<SetPolicyView> {
    return this.#set(request, reply, rateClass, ANY_TIER, body);
  }

  @Put('policies/:class/:tier')
  @Require('limits:write')
  @ApiOperation({ summary: 'Set the policy of a class for a tier' })
  @ApiClass()
  @ApiTier()
  @ApiOkResponse({ type: SetPolicyView, description: 'Set, and enforced by every replica.' })
  @ApiAcceptedResponse({ type: SetPolicyView, description: 'Set; not every replica has confirmed it yet.' })
  setForTier(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('class') rateClass: string,
    @Param('tier') tier: string,
    @JsonBody(LimitDto) body: LimitDto,
  ): Promise<SetPolicyView> {
    return this.#set(request, reply, rateClass, tier, body);
  }

  @Delete('policies/:class')
  @Require('limits:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Remove the policy of a class for all tiers' })
  @ApiClass()
  @ApiNoContentResponse({ description: 'Removed, on every replica.' })
  @ApiAcceptedResponse({ type: PropagationView, description: 'Removed; not every replica has confirmed it yet.' })
  remove(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('class') rateClass: string,
  ): Promise<PropagationView | undefined> {
    return this.removeForTier(request, reply, rateClass, ANY_TIER);
  }

  @Delete('policies/:class/:tier')
  @Require('limits:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Remove the policy of a class for a tier' })
  @ApiClass()
  @ApiTier()
  @ApiNoContentResponse({ description: 'Removed, on every replica.' })
  @ApiAcceptedResponse({ type: PropagationView, description: 'Removed; not every replica has confirmed it yet.' })
  async removeForTier(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('class') rateClass: string,
    @Param('tier') tier: string,
  ): Promise<PropagationView | undefined> {
    const receipt = await this.limits.removePolicy(originOf(request), rateClass, tier);
    if (receipt.everywhere) return undefined;
    reply.status(HttpStatus.ACCEPTED);
    return presentReceipt(receipt);
  }

  async #set(
    request: HttpRequest,
    reply: HttpReply,
    rateClass: string,
    tier: string,
    body: LimitDto,
  ): Promise<SetPolicyView> {
    const { row, receipt } = await this.limits.setPolicy(originOf(request), rateClass, tier, body);
    if (!receipt.everywhere) reply.status(HttpStatus.ACCEPTED);
    return { ...presentPolicy(row), ...presentReceipt(receipt) };
  }
}
