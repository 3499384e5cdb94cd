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
import { InvalidRequestError } from '../../../kernel/app-error.js';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import { JsonBody } from '../../../platform/http/json-body.decorator.js';
import { type ListShape, type Page, parseListQuery, toPage } from '../../../platform/http/list-query.js';
import { answerChange, answerEnd, PendingChangeView } from '../../../platform/http/pending-change.js';
import { AccessService } from '../access.service.js';
import { authorOf } from '../authority/author.js';
import { RoleGraphs } from './role-graphs.service.js';
import { PendingRoleView, presentRole, RolePageView, RoleView } from './role-view.js';
import { CreateRoleDto, toNewRole, toRoleChanges, UpdateRoleDto } from './roles.dto.js';
import type { RoleSortKey } from './roles.repository.js';
import { RolesService } from './roles.service.js';

const LIST: ListShape<RoleSortKey> = {
  sortKeys: { created_at: 'time', name: 'text' },
  defaultSort: 'name',
  idPattern: /^rol_[0-9A-Za-z]{20}$/,
  filters: { name: 'text', builtin: ['true', 'false'], permission: 'text', parent_id: 'text' },
};

const ApiRoleId = () => ApiParam({ name: 'role_id', schema: { type: 'string', example: 'rol_00000000000000viewer' } });

/** Roles: what they hold, and which others they inherit from. */
@ApiTags('access')
@Controller('api/v1/roles')
export class RolesController {
  constructor(
    private readonly roles: RolesService,
    private readonly graphs: RoleGraphs,
    private readonly access: AccessService,
  ) {}

  @Post()
  @Require('roles:write')
  @ApiOperation({ summary: 'Make a role of permissions that you hold yourself' })
  @ApiCreatedResponse({ type: RoleView, description: 'Known to every replica.' })
  @ApiAcceptedResponse({ type: PendingRoleView, description: 'Made; not every replica has confirmed it yet.' })
  async create(
    @Req() request: HttpRequest,
    @JsonBody(CreateRoleDto) body: CreateRoleDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<RoleView | PendingRoleView> {
    const { done, propagation } = await this.roles.create(this.#author(request), toNewRole(body));
    return answerChange(reply, presentRole(done, this.graphs.current), propagation);
  }

  @Get()
  @Require('roles:read')
  @ApiOperation({ summary: 'List the roles' })
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: RolePageView })
  async list(@Query() raw: Record<string, unknown>): Promise<Page<RoleView>> {
    const query = parseListQuery(raw, LIST);
    return toPage(
      await this.roles.list(query),
      query,
      (role) => presentRole(role, this.graphs.current),
      ({ id, name, createdAt }) => [query.sort === 'name' ? name : createdAt.toISOString(), id],
    );
  }

  @Get(':role_id')
  @Require('roles:read')
  @ApiOperation({ summary: 'Show a role' })
  @ApiRoleId()
  @ApiOkResponse({ type: RoleView })
  async get(@Param('role_id') id: string): Promise<RoleView> {
    return presentRole(await this.roles.get(id), this.graphs.current);
  }

  @Patch(':role_id')
  @Require('roles:write')
  @ApiOperation({
    summary: 'Change a role, and so what everybody holds who has it or one that inherits from it',
    description: 'Refused with 409: a built-in role, a name that is taken, inheriting from itself.',
  })
  @ApiRoleId()
  @ApiOkResponse({ type: RoleView, description: 'In force on every replica.' })
  @ApiAcceptedResponse({ type: PendingRoleView, description: 'Changed; not every replica has confirmed it yet.' })
  async update(
    @Req() request: HttpRequest,
    @Param('role_id') id: string,
    @JsonBody(UpdateRoleDto) body: UpdateRoleDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<RoleView | PendingRoleView> {
    const changes = toRoleChanges(body);
    if (Object.keys(changes).length === 0)
      throw new InvalidRequestError([
        { location: 'body', message: 'must hold at least one of name, description, permissions, parents' },
      ]);
    const { done, propagation } = await this.roles.update(this.#author(request), id, changes);
    return answerChange(reply, presentRole(done, this.graphs.current), propagation);
  }

  @Delete(':role_id')
  @Require('roles:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Delete a role that nobody has',
    description: 'Refused with 409 while it is in grants, or others inherit from it; the answer says how many.',
  })
  @ApiRoleId()
  @ApiNoContentResponse({ description: 'Deleted on every replica.' })
  @ApiAcceptedResponse({ type: PendingChangeView, description: 'Not every replica has confirmed it yet.' })
  async remove(
    @Req() request: HttpRequest,
    @Param('role_id') id: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const { propagation } = await this.roles.remove(this.#author(request), id);
    return answerEnd(reply, propagation);
  }

  #author(request: HttpRequest) {
    return authorOf(request, this.access.contextOf(request));
  }
}
