import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { InvalidRequestError } from '../../../kernel/app-error.js';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import { normaliseAddress } from '../../../platform/http/client-address.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import { JsonBody } from '../../../platform/http/json-body.decorator.js';
import { type ListShape, type Page, parseListQuery, toPage } from '../../../platform/http/list-query.js';
import { originOf } from '../../../records/audit/audit.service.js';
import { IP_RULE_ACTIONS, IP_RULE_SOURCES } from './ip-rule.entity.js';
import {
  IpRulePageView,
  IpRuleView,
  PendingIpRuleChangeView,
  PendingIpRuleView,
  presentIpRule,
  presentPendingRule,
} from './ip-rule-view.js';
import { CreateIpRuleDto, toNewRule, toRuleChanges, UpdateIpRuleDto } from './ip-rules.dto.js';
import type { IpRuleSortKey } from './ip-rules.repository.js';
import { type ChangedIpRule, IpRulesService, type RuleAuthor } from './ip-rules.service.js';

const LIST: ListShape<IpRuleSortKey> = {
  sortKeys: { created_at: 'time' },
  defaultSort: '-created_at',
  idPattern: /^ipr_[0-9a-f]{24}$/,
  filters: {
    action: IP_RULE_ACTIONS,
    source: IP_RULE_SOURCES,
    created_by: 'text',
    address: 'text',
    expires_before: 'time',
  },
};

const ApiRuleId = () => ApiParam({ name: 'id', schema: { type: 'string', example: 'ipr_0123456789abcdef01234567' } });

/** Which addresses are let in and which are kept out. */
@ApiTags('ip rules')
@Controller('api/v1/ip-rules')
export class IpRulesController {
  constructor(private readonly rules: IpRulesService) {}

  @Post()
  @Require('ip_rules:write')
  @ApiOperation({ summary: 'Let a range of addresses in, or keep it out' })
  @ApiCreatedResponse({ type: IpRuleView, description: 'In force on every replica.' })
  @ApiAcceptedResponse({ type: PendingIpRuleView, description: 'Made; not every replica has confirmed it yet.' })
  async create(
    @Req() request: HttpRequest,
    @JsonBody(CreateIpRuleDto) body: CreateIpRuleDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<IpRuleView | PendingIpRuleView> {
    const author = authorOf(request, body.allow_self_block ?? false);
    return present(await this.rules.create(author, toNewRule(body)), reply);
  }

  @Get()
  @Require('ip_rules:read')
  @ApiOperation({ summary: 'List the rules; with `address`, those that it lies in' })
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: IpRulePageView })
  async list(@Query() raw: Record<string, unknown>): Promise<Page<IpRuleView>> {
    const query = parseListQuery(raw, LIST);
    const filters = { ...query.filters };
    if (filters.address !== undefined) filters.address = addressOf(String(filters.address));
    return toPage(await this.rules.list({ ...query, filters }), query, presentIpRule, (rule) => [
      rule.createdAt.toISOString(),
      rule.id,
    ]);
  }

  @Get(':id')
  @Require('ip_rules:read')
  @ApiOperation({ summary: 'Show a rule' })
  @ApiRuleId()
  @ApiOkResponse({ type: IpRuleView })
  async get(@Param('id') id: string): Promise<IpRuleView> {
    return presentIpRule(await this.rules.get(id));
  }

  @Patch(':id')
  @Require('ip_rules:write')
  @ApiOperation({ summary: 'Change a rule' })
  @ApiRuleId()
  @ApiOkResponse({ type: IpRuleView, description: 'In force on every replica.' })
  @ApiAcceptedResponse({ type: PendingIpRuleView, description: 'Changed; not every replica has confirmed it yet.' })
  async update(
    @Req() request: HttpRequest,
    @Param('id') id: string,
    @JsonBody(UpdateIpRuleDto) body: UpdateIpRuleDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<IpRuleView | PendingIpRuleView> {
    const author = authorOf(request, body.allow_self_block ?? false);
    return present(await this.rules.update(author, id, toRuleChanges(body)), reply);
  }

  @Delete(':id')
  @Require('ip_rules:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'End a rule, or lift an automatic block' })
  @ApiRuleId()
  @ApiQuery({ name: 'allow_self_block', required: false, schema: { type: 'string', enum: ['true', 'false'] } })
  @ApiNoContentResponse({ description: 'Ended on every replica.' })
  @ApiAcceptedResponse({ type: PendingIpRuleChangeView, description: 'Not every replica has confirmed it yet.' })
  async remove(
    @Req() request: HttpRequest,
    @Param('id') id: string,
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingIpRuleChangeView | undefined> {
    const receipt = await this.rules.remove(authorOf(request, readSelfBlock(query)), id);
    const pending = presentPendingRule(receipt);
    if (pending === null) return undefined;
    reply.status(HttpStatus.ACCEPTED);
    return pending;
  }
}

function present({ rule, receipt }: ChangedIpRule, reply: HttpReply): IpRuleView | PendingIpRuleView {
  const pending = presentPendingRule(receipt);
  if (pending === null) return presentIpRule(rule);
  reply.status(HttpStatus.ACCEPTED);
  return { ...presentIpRule(rule), ...pending };
}

function authorOf(request: HttpRequest, mayBlockItself: boolean): RuleAuthor {
  return { origin: originOf(request), mayBlockItself };
}

/** The canonical address, or a refusal: PostgreSQL would take more than an address, and name what it does not take. */
function addressOf(text: string): string {
  const address = normaliseAddress(text);
  if (address !== null) return address;
  throw new InvalidRequestError([{ location: 'query.address', message: 'must be an IPv4 or IPv6 address' }]);
}

function readSelfBlock(query: Readonly<Record<string, unknown>>): boolean {
  const [unknown] = Object.keys(query).filter((name) => name !== 'allow_self_block');
  if (unknown !== undefined) {
    throw new InvalidRequestError([{ location: `query.${unknown.slice(0, 64)}`, message: 'is not read here' }]);
  }
  const { allow_self_block: given } = query;
  if (given === undefined || given === 'true' || given === 'false') return given === 'true';
  throw new InvalidRequestError([{ location: 'query.allow_self_block', message: 'must be true or false' }]);
}
