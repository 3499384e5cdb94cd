import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import { JsonBody } from '../../../platform/http/json-body.decorator.js';
import { type ListShape, type Page, parseListQuery, toPage } from '../../../platform/http/list-query.js';
import { answerChange, answerEnd, PendingChangeView } from '../../../platform/http/pending-change.js';
import { AccessService } from '../access.service.js';
import { authorOf } from '../authority/author.js';
import { RoleGraphs } from '../roles/role-graphs.service.js';
import { GRANT_EFFECTS, SCOPE_TYPES } from './grant.entity.js';
import { GrantPageView, GrantView, PendingGrantView, presentGrant } from './grant-view.js';
import { CreateGrantDto, toGrantChanges, toNewGrant, UpdateGrantDto } from './grants.dto.js';
import type { GrantSortKey, StoredGrant } from './grants.repository.js';
import { GrantsService } from './grants.service.js';

const LIST: ListShape<GrantSortKey> = {
  sortKeys: { created_at: 'time' },
  defaultSort: '-created_at',
  idPattern: /^grt_[0-9A-Za-z]{20}$/,
  filters: { effect: GRANT_EFFECTS, role_id: 'text', scope: SCOPE_TYPES, expires_before: 'time' },
};

const ApiUserId = () => ApiParam({ name: 'user_id', schema: { type: 'string', example: 'usr_0123456789abcdefghij' } });
const ApiGrantId = () =>
  ApiParam({ name: 'grant_id', schema: { type: 'string', example: 'grt_0123456789abcdefghij' } });

/** What users are given, and denied. */
@ApiTags('access')
@Controller('api/v1/users/:user_id/grants')
export class GrantsController {
  constructor(
    private readonly grants: GrantsService,
    private readonly graphs: RoleGraphs,
    private readonly access: AccessService,
  ) {}

  @Post()
  @Require('grants:write')
  @ApiOperation({
    summary: 'Give a role to a user, or deny it',
    description:
      'What you give you hold yourself, at least as widely and for as long; what you deny you deny to nobody who holds more than you.',
  })
  @ApiUserId()
  @ApiCreatedResponse({ type: GrantView, description: "In force with the user's next request, on every replica." })
  @ApiAcceptedResponse({ type: PendingGrantView, description: 'Made; not every replica has confirmed it yet.' })
  async give(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @JsonBody(CreateGrantDto) body: CreateGrantDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<GrantView | PendingGrantView> {
    const given = await this.grants.give(this.#author(request), userId, toNewGrant(body));
    return answerChange(reply, presentGrant(given.grant, given.roleName), given.propagation);
  }

  @Get()
  @Require('grants:read')
  @ApiOperation({ summary: 'List what a user is given and denied' })
  @ApiUserId()
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: GrantPageView })
  async list(@Param('user_id') userId: string, @Query() raw: Record<string, unknown>): Promise<Page<GrantView>> {
    const query = parseListQuery(raw, LIST);
    return toPage(
      await this.grants.list(userId, query),
      query,
      (grant) => this.#present(grant),
      ({ createdAt, id }) => [createdAt.toISOString(), id],
    );
  }

  @Get(':grant_id')
  @Require('grants:read')
  @ApiOperation({ summary: 'Show a grant' })
  @ApiUserId()
  @ApiGrantId()
  @ApiOkResponse({ type: GrantView })
  async get(@Param('user_id') userId: string, @Param('grant_id') id: string): Promise<GrantView> {
    return this.#present(await this.grants.get(userId, id));
  }

  @Patch(':grant_id')
  @Require('grants:write')
  @ApiOperation({ summary: 'Change the conditions, the end or the reason of a grant' })
  @ApiUserId()
  @ApiGrantId()
  @ApiOkResponse({ type: GrantView, description: "In force with the user's next request, on every replica." })
  @ApiAcceptedResponse({ type: PendingGrantView, description: 'Changed; not every replica has confirmed it yet.' })
  async update(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @Param('grant_id') id: string,
    @JsonBody(UpdateGrantDto) body: UpdateGrantDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<GrantView | PendingGrantView> {
    const changed = await this.grants.update(this.#author(request), userId, id, toGrantChanges(body));
    return answerChange(reply, presentGrant(changed.grant, changed.roleName), changed.propagation);
  }

  @Delete(':grant_id')
  @Require('grants:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Take a role from a user, or end a denial' })
  @ApiUserId()
  @ApiGrantId()
  @ApiNoContentResponse({ description: "Ended: the user's next request is decided without it, on every replica." })
  @ApiAcceptedResponse({ type: PendingChangeView, description: 'Not every replica has confirmed it yet.' })
  async revoke(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @Param('grant_id') id: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    return answerEnd(reply, await this.grants.revoke(this.#author(request), userId, id));
  }

  #present(grant: StoredGrant): GrantView {
    return presentGrant(grant, this.graphs.current.get(grant.roleId)?.name ?? grant.roleId);
  }

  #author(request: HttpRequest) {
    return authorOf(request, this.access.contextOf(request));
  }
}
