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
import { type ListShape, type Page, parseListQuery, toPage } from '../../platform/http/list-query.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { originOf } from '../../records/audit/audit.service.js';
import { MODES, SUBJECT_CLASSES, type SubjectType } from './limit-policy.js';
import { OverrideDto } from './rate-limits.dto.js';
import type { OverrideSortKey } from './rate-limits.repository.js';
import { RateLimitsService } from './rate-limits.service.js';
import {
  OverridePageView,
  OverrideView,
  PropagationView,
  presentOverride,
  presentReceipt,
  SetOverrideView,
} from './rate-limits.view.js';

const LIST: ListShape<OverrideSortKey> = {
  sortKeys: { updated_at: 'time' },
  defaultSort: '-updated_at',
  idPattern: /^\d{1,19}$/,
  filters: { client_id: 'text', user_id: 'text', class: SUBJECT_CLASSES, mode: MODES, expires_before: 'time' },
};

const ApiClass = () => ApiParam({ name: 'class', enum: SUBJECT_CLASSES });
const ApiClientId = () => ApiParam({ name: 'client_id', schema: { type: 'string', example: 'cn_live_0123456789AB' } });
const ApiUserId = () => ApiParam({ name: 'user_id', schema: { type: 'string' } });

/** The limits of single clients and users, before any policy. */
@ApiTags('rate limits')
@Controller('api/v1/rate-limits/overrides')
export class RateLimitOverridesController {
  constructor(
    private readonly limits: RateLimitsService,
    private readonly clock: DatabaseClock,
  ) {}

  @Get()
  @Require('limits:read')
  @ApiOperation({ summary: 'List the overrides, those that ended lately too' })
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: OverridePageView })
  async list(@Query() raw: Record<string, unknown>): Promise<Page<OverrideView>> {
    const query = parseListQuery(raw, LIST);
    const now = this.clock.now();
    return toPage(
      await this.limits.overrides(query),
      query,
      (row) => presentOverride(row, now),
      (row) => [row.updatedAt.toISOString(), row.revision],
    );
  }

  @Get('clients/:client_id/:class')
  @Require('limits:read')
  @ApiOperation({ summary: 'Show the override of a client' })
  @ApiClientId()
  @ApiClass()
  @ApiOkResponse({ type: OverrideView })
  getOfClient(@Param('client_id') id: string, @Param('class') rateClass: string): Promise<OverrideView> {
    return this.#get('client', id, rateClass);
  }

  @Put('clients/:client_id/:class')
  @Require('limits:write')
  @ApiOperation({ summary: 'Set the limit of one client' })
  @ApiClientId()
  @ApiClass()
  @ApiOkResponse({ type: SetOverrideView, description: 'Set, and enforced by every replica.' })
  @ApiAcceptedResponse({ type: SetOverrideView, description: 'Set; not every replica has confirmed it yet.' })
  setOfClient(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('client_id') id: string,
    @Param('class') rateClass: string,
    @JsonBody(OverrideDto) body: OverrideDto,
  ): Promise<SetOverrideView> {
    return this.#set(request, reply, ['client', id, rateClass], body);
  }

  @Delete('clients/:client_id/:class')
  @Require('limits:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Remove the override of a client' })
  @ApiClientId()
  @ApiClass()
  @ApiNoContentResponse({ description: 'Removed, on every replica.' })
  @ApiAcceptedResponse({ type: PropagationView, description: 'Removed; not every replica has confirmed it yet.' })
  removeOfClient(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('client_id') id: string,
    @Param('class') rateClass: string,
  ): Promise<PropagationView | undefined> {
    return this.#remove(request, reply, ['client', id, rateClass]);
  }

  @Get('users/:user_id/:class')
  @Require('limits:read')
  @ApiOperation({ summary: 'Show the override of a user' })
  @ApiUserId()
  @ApiClass()
  @ApiOkResponse({ type: OverrideView })
  getOfUser(@Param('user_id') id: string, @Param('class') rateClass: string): Promise<OverrideView> {
    return this.#get('user', id, rateClass);
  }

  @Put('users/:user_id/:class')
  @Require('limits:write')
  @ApiOperation({ summary: 'Set the limit of one user' })
  @ApiUserId()
  @ApiClass()
  @ApiOkResponse({ type: SetOverrideView, description: 'Set, and enforced by every replica.' })
  @ApiAcceptedResponse({ type: SetOverrideView, description: 'Set; not every replica has confirmed it yet.' })
  setOfUser(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('user_id') id: string,
    @Param('class') rateClass: string,
    @JsonBody(OverrideDto) body: OverrideDto,
  ): Promise<SetOverrideView> {
    return this.#set(request, reply, ['user', id, rateClass], body);
  }

  @Delete('users/:user_id/:class')
  @Require('limits:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Remove the override of a user' })
  @ApiUserId()
  @ApiClass()
  @ApiNoContentResponse({ description: 'Removed, on every replica.' })
  @ApiAcceptedResponse({ type: PropagationView, description: 'Removed; not every replica has confirmed it yet.' })
  removeOfUser(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @Param('user_id') id: string,
    @Param('class') rateClass: string,
  ): Promise<PropagationView | undefined> {
    return this.#remove(request, reply, ['user', id, rateClass]);
  }

  async #get(type: SubjectType, id: string, rateClass: string): Promise<OverrideView> {
    return presentOverride(await this.limits.getOverride({ type, id }, rateClass), this.clock.now());
  }

  async #set(
    request: HttpRequest,
    reply: HttpReply,
    [type, id, rateClass]: [SubjectType, string, string],
    body: OverrideDto,
  ): Promise<SetOverrideView> {
    const { row, receipt } = await this.limits.setOverride(originOf(request), { type, id }, rateClass, body);
    if (!receipt.everywhere) reply.status(HttpStatus.ACCEPTED);
    return { ...presentOverride(row, this.clock.now()), ...presentReceipt(receipt) };
  }

  async #remove(
    request: HttpRequest,
    reply: HttpReply,
    [type, id, rateClass]: [SubjectType, string, string],
  ): Promise<PropagationView | undefined> {
    const receipt = await this.limits.removeOverride(originOf(request), { type, id }, rateClass);
    if (receipt.everywhere) return undefined;
    reply.status(HttpStatus.ACCEPTED);
    return presentReceipt(receipt);
  }
}
